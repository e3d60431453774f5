#include "server/router.h"

#include <algorithm>

#include "admin/service.h"

namespace cairn::server {
namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
}

bool ends_with_domain(std::string_view host, std::string_view domain) {
  if (host.size() <= domain.size() + 1 || host[host.size() - domain.size() - 1] != '.')
    return false;
  const auto tail = host.substr(host.size() - domain.size());
  return std::equal(tail.begin(), tail.end(), domain.begin(),
                    [](char a, char b) { return lower(a) == lower(b); });
}

// "BUCKET.domain:port": the path is a key, whatever it looks like.
bool names_a_bucket(std::string_view host, const std::vector<std::string>& domains) {
  if (!host.starts_with('[')) host = host.substr(0, host.find(':'));
  return std::ranges::any_of(
      domains, [host](const std::string& domain) { return ends_with_domain(host, domain); });
}

// Signed as S3 requests are. Whoever looks at a page does not sign for it, and nobody reads an
// object without.
bool is_signed(const net::Request& request) {
  return request.headers.get("authorization").value_or("").starts_with("AWS4-");
}

}  // namespace

Destination destination_of(const net::Request& request, const std::vector<std::string>& domains) {
  const std::string_view path = request.path;
  const bool is_probe = request.method == "GET" && request.query.empty() &&
                        (path == "/health/live" || path == "/health/ready" || path == "/metrics") &&
                        !is_signed(request);
  if (!is_probe && !path.starts_with(admin::kPrefix)) return Destination::s3;
  return names_a_bucket(request.headers.get("host").value_or(""), domains) ? Destination::s3
                                                                           : Destination::admin;
}

}  // namespace cairn::server
