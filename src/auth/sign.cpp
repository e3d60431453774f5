// The client's side of Signature Version 4.
#include <algorithm>

#include "auth/auth.h"
#include "auth/canonical.h"
#include "auth/signing_key.h"
#include "auth/times.h"

namespace cairn::auth {
namespace {

std::string signature_for(const SignRequest& request, const HttpView& view,
                          const std::vector<std::string_view>& names,
                          std::string_view signed_headers, std::string_view date_time,
                          std::string_view scope) {
  std::string canonical, string_to_sign;
  append_canonical_request(canonical, {view, names, signed_headers, request.payload_sha256});
  append_string_to_sign(string_to_sign, date_time, scope, canonical);
  return signature_of(cached_signing_key(request.secret, date_time.substr(0, 8), request.region),
                      string_to_sign);
}

std::string scope_of(const SignRequest& request, std::string_view date_time) {
  return std::string(date_time.substr(0, 8)) + '/' + request.region + "/s3/aws4_request";
}

}  // namespace

std::vector<std::pair<std::string, std::string>> sign(const SignRequest& request) {
  const std::string date_time = format_amz_date(request.now_ms);
  const std::string scope = scope_of(request, date_time);
  auto headers = request.headers;
  headers.emplace_back("x-amz-content-sha256", request.payload_sha256);
  headers.emplace_back("x-amz-date", date_time);

  std::vector<std::string> names;
  for (const auto& header : headers) {
    std::string name = header.first;
    for (char& c : name) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    }
    names.push_back(std::move(name));
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  std::string signed_headers;
  for (const auto& name : names) signed_headers += (signed_headers.empty() ? "" : ";") + name;

  const HttpView view{request.method, request.path, request.query, &headers};
  const std::vector<std::string_view> views(names.begin(), names.end());
  const std::string signature =
      signature_for(request, view, views, signed_headers, date_time, scope);
  return {{"x-amz-date", date_time},
          {"x-amz-content-sha256", request.payload_sha256},
          {"authorization", "AWS4-HMAC-SHA256 Credential=" + request.access_key + '/' + scope +
                                ", SignedHeaders=" + signed_headers + ", Signature=" + signature}};
}

std::string presign(const SignRequest& request, std::chrono::seconds expires) {
  const std::string date_time = format_amz_date(request.now_ms);
  const std::string scope = scope_of(request, date_time);
  std::string query = request.query;
  if (!query.empty()) query += '&';
  query += "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=";
  // Percent-encoded, because access keys may hold anything; a '%' or '+' of its own must not be
  // taken for an escape.
  for (const char c : request.access_key + '/' + scope) {
    if (c == '%') {
      query += "%25";
    } else if (c == '+') {
      query += "%2B";
    } else {
      append_normalised(query, std::string_view(&c, 1), UriPart::query);
    }
  }
  query += "&X-Amz-Date=" + date_time + "&X-Amz-Expires=" + std::to_string(expires.count()) +
           "&X-Amz-SignedHeaders=host";
  if (request.payload_sha256 != "UNSIGNED-PAYLOAD")
    query += "&X-Amz-Content-Sha256=" + request.payload_sha256;
  const HttpView view{request.method, request.path, query, &request.headers};
  const std::string signature = signature_for(request, view, {"host"}, "host", date_time, scope);
  return query + "&X-Amz-Signature=" + signature;
}

}  // namespace cairn::auth
