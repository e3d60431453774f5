#include "s3/addressing.h"

#include <algorithm>

#include "net/http.h"

namespace cairn::s3 {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
  return out;
}

Result<std::string> decode(std::string_view text) {
  auto decoded = net::percent_decode(text);
  if (!decoded) return Error{Code::invalid_uri, "The path is not percent-encoded as it should be."};
  return std::move(*decoded);
}

}  // namespace

std::string bucket_of_host(std::string_view host, const std::vector<std::string>& domains) {
  if (domains.empty() || host.empty() || host.front() == '[')
    return {};  // no names, or an IPv6 address
  if (const auto colon = host.rfind(':'); colon != std::string_view::npos)
    host = host.substr(0, colon);
  if (host.ends_with('.')) host.remove_suffix(1);
  const std::string name = lower(host);
  std::size_t best = 0;  // the longest domain wins: one may end with another
  std::string bucket;
  for (const std::string& domain : domains) {
    if (domain.size() < best) continue;
    if (name == domain) return {};
    if (name.size() > domain.size() + 1 && name.ends_with(domain) &&
        name[name.size() - domain.size() - 1] == '.') {
      best = domain.size();
      bucket = name.substr(0, name.size() - domain.size() - 1);
    }
  }
  return bucket;
}

Result<Target> parse_target(std::string_view path, std::string_view host,
                            const std::vector<std::string>& domains) {
  if (path.empty() || path.front() != '/')
    return Error{Code::invalid_uri, "The path must start with '/'."};
  path.remove_prefix(1);
  Target target;
  target.bucket = bucket_of_host(host, domains);
  target.virtual_host = !target.bucket.empty();
  if (!target.virtual_host) {
    if (path.empty()) return target;
    const auto slash = path.find('/');
    CAIRN_ASSIGN(target.bucket, decode(path.substr(0, slash)));
    path = slash == std::string_view::npos ? std::string_view{} : path.substr(slash + 1);
  }
  target.level = path.empty() ? Level::bucket : Level::object;
  CAIRN_ASSIGN(target.key, decode(path));
  return target;
}

}  // namespace cairn::s3
