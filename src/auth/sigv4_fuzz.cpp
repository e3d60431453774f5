// The head of a request from anybody: method, path, query and headers, split at line ends.
#include <cstdlib>

#include "auth/auth.h"
#include "auth/claim.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cairn::auth;
  static const auto credentials = root_credentials("AKIAIOSFODNN7EXAMPLE", "secret");
  static const auto verifier = make_verifier(*credentials, {});
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  const auto line = [&] {
    const auto end = rest.find('\n');
    const std::string_view out = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    return out;
  };
  const std::string_view method = line(), path = line(), query = line();
  std::vector<std::pair<std::string, std::string>> headers;
  while (!rest.empty()) {
    const std::string_view header = line();
    const auto colon = header.find(':');
    headers.emplace_back(header.substr(0, colon),
                         colon == std::string_view::npos ? "" : header.substr(colon + 1));
  }
  const auto verified = verifier->verify({method, path, query, &headers}, 1369353600000);
  // Nobody gets in without knowing the secret.
  if (verified && !verified->identity.anonymous()) std::abort();
  (void)parse_authorization(method);
  if (find_query_claim(query).v4) (void)parse_presigned(query);
  return 0;
}
