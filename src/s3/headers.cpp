#include "s3/headers.h"

#include <algorithm>

#include "s3/error.h"
#include "s3/rfc2047.h"

namespace cairn::s3 {
namespace {

constexpr std::size_t kMaxUserMetadataBytes = 2048;
constexpr std::string_view kUserPrefix = "x-amz-meta-";

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}
std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) { return lower(c); });
  return out;
}
bool same(std::string_view a, std::string_view b) {
  return a.size() == b.size() &&
         std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}
bool has_prefix(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() && same(text.substr(0, prefix.size()), prefix);
}
std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

bool is_token(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           std::string_view("!#$%&'*+-.^_`|~").contains(c);
  });
}

constexpr std::string_view kSystemHeaders[] = {"cache-control",
                                               "content-disposition",
                                               "content-encoding",
                                               "content-language",
                                               "content-type",
                                               "expires",
                                               "x-amz-website-redirect-location"};

constexpr std::string_view kRefusedPrefixes[] = {"x-amz-server-side-encryption",
                                                 "x-amz-copy-source-server-side-encryption",
                                                 "x-amz-object-lock-", "x-amz-grant-"};
constexpr std::string_view kRefused[] = {
    "x-amz-write-offset-bytes", "x-amz-if-match-initiated-time", "x-amz-rename-source-if-match"};

bool is_refused(std::string_view name, std::string_view value) {
  for (const auto prefix : kRefusedPrefixes) {
    if (has_prefix(name, prefix)) return true;
  }
  for (const auto refused : kRefused) {
    if (same(name, refused)) return true;
  }
  if (same(name, "x-amz-acl")) return value != "private" && value != "bucket-owner-full-control";
  if (same(name, "x-amz-bucket-object-lock-enabled")) return !same(value, "false");
  if (same(name, "x-amz-object-ownership")) return value != "BucketOwnerEnforced";
  if (same(name, "x-amz-bucket-namespace")) return value != "global";
  return false;
}

// The transfer coding of the body is not a property of the object.
std::string without_aws_chunked(std::string_view value) {
  std::string out;
  while (!value.empty()) {
    const auto comma = value.find(',');
    const auto item = trim(value.substr(0, comma));
    if (!item.empty() && !same(item, "aws-chunked")) {
      if (!out.empty()) out += ',';
      out += item;
    }
    value = comma == std::string_view::npos ? std::string_view{} : value.substr(comma + 1);
  }
  return out;
}

// Entity tags of a list: commas inside quotes do not separate.
std::vector<std::string> etag_list(std::string_view value) {
  std::vector<std::string> out;
  std::size_t start = 0;
  bool quoted = false;
  for (std::size_t i = 0; i <= value.size(); ++i) {
    if (i < value.size() && value[i] == '"') quoted = !quoted;
    if (i < value.size() && (quoted || value[i] != ',')) continue;
    const auto item = trim(value.substr(start, i - start));
    if (!item.empty()) out.emplace_back(unquote_etag(item));
    start = i + 1;
  }
  return out;
}

struct ConditionNames {
  std::string_view match, none_match, modified, unmodified;
};

object::ReadConditions read_conditions(const net::Headers& headers, const ConditionNames& names,
                                       std::int64_t now_ms) {
  object::ReadConditions conditions;
  for (const auto& [name, value] : headers.fields()) {
    if (same(name, names.match)) {
      for (auto& etag : etag_list(value)) conditions.if_match.push_back(std::move(etag));
    } else if (same(name, names.none_match)) {
      for (auto& etag : etag_list(value)) conditions.if_none_match.push_back(std::move(etag));
    } else if (same(name, names.modified)) {
      // A date that cannot be read is no condition (RFC 9110 13.1.3).
      conditions.if_modified_since_ms = net::parse_http_date(trim(value));
      if (conditions.if_modified_since_ms > now_ms) conditions.if_modified_since_ms.reset();
    } else if (same(name, names.unmodified)) {
      conditions.if_unmodified_since_ms = net::parse_http_date(trim(value));
    }
  }
  return conditions;
}

}  // namespace

Result<void> refuse_unsupported_headers(const net::Headers& headers) {
  for (const auto& [name, value] : headers.fields()) {
    if (!has_prefix(name, "x-amz-")) continue;
    if (is_refused(name, trim(value))) return header_not_implemented(name);
  }
  return {};
}

bool is_header_value(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte >= 0x20 && byte != 0x7F) || byte == '\t';
  });
}

Result<bool> hoist_presigned_parameters(const Query& query, net::Headers& headers) {
  constexpr std::string_view kept_out[] = {
      "x-amz-algorithm",      "x-amz-credential",      "x-amz-date",
      "x-amz-expires",        "x-amz-signedheaders",   "x-amz-signature",
      "x-amz-security-token", "x-amz-content-sha256",  "x-amz-sdk-checksum-algorithm",
      "x-amz-checksum-crc32", "x-amz-checksum-crc32c", "x-amz-checksum-crc64nvme",
      "x-amz-checksum-sha1",  "x-amz-checksum-sha256", "x-amz-decoded-content-length",
      "x-amz-trailer"};
  bool any = false;
  for (const auto& [name, value] : query.pairs()) {
    if (!has_prefix(name, "x-amz-") || headers.get(name)) continue;
    if (std::ranges::any_of(kept_out, [&](std::string_view out) { return same(name, out); }))
      continue;
    // What was percent-encoded in the URL may hold what ends a header.
    if (!is_token(name) || !is_header_value(value)) {
      return argument_error("The query parameter cannot stand for a header.", name, value);
    }
    headers.add(lower(name), value);
    any = true;
  }
  return any;
}

Result<void> check_expected_owner(const net::Headers& headers, std::string_view owner) {
  for (const std::string_view name :
       {"x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner"}) {
    const auto expected = headers.get(name);
    if (expected && trim(*expected) != owner) return Error{Code::access_denied, "Access Denied"};
  }
  return {};
}

Result<object::Meta> parse_meta(const Context& context) {
  object::Meta meta;
  meta.owner = context.owner();
  std::size_t user_bytes = 0;
  for (const auto& [name, value] : context.request.headers.fields()) {
    if (has_prefix(name, kUserPrefix)) {
      std::string key = lower(std::string_view(name).substr(kUserPrefix.size()));
      std::string text = decode_header_text(value);
      user_bytes += key.size() + text.size();
      const auto there =
          std::ranges::find(meta.user, key, &std::pair<std::string, std::string>::first);
      if (there != meta.user.end()) {
        there->second += ',' + text;
      } else {
        meta.user.emplace_back(std::move(key), std::move(text));
      }
      continue;
    }
    for (const auto system : kSystemHeaders) {
      if (!same(name, system)) continue;
      std::string text = system == "content-encoding" ? without_aws_chunked(value) : value;
      if (!text.empty()) meta.system.emplace_back(system, std::move(text));
      break;
    }
  }
  if (user_bytes > kMaxUserMetadataBytes) {
    return Error{Code::metadata_too_large,
                 "Your metadata headers exceed the maximum allowed metadata size",
                 {{"Size", std::to_string(user_bytes)},
                  {"MaxSizeAllowed", std::to_string(kMaxUserMetadataBytes)}}};
  }
  return meta;
}

Result<std::string> parse_storage_class(const net::Headers& headers) {
  const auto value = headers.get("x-amz-storage-class");
  if (!value || *value == "STANDARD") return std::string{};
  if (*value == "REDUCED_REDUNDANCY") return std::string(*value);
  return Error{Code::invalid_storage_class,
               "The storage class you specified is not valid",
               {{"StorageClassRequested", std::string(*value)}}};
}

object::ReadConditions parse_read_conditions(const net::Headers& headers, std::int64_t now_ms) {
  return read_conditions(
      headers, {"if-match", "if-none-match", "if-modified-since", "if-unmodified-since"}, now_ms);
}

object::ReadConditions parse_copy_source_conditions(const net::Headers& headers,
                                                    std::int64_t now_ms) {
  return read_conditions(
      headers,
      {"x-amz-copy-source-if-match", "x-amz-copy-source-if-none-match",
       "x-amz-copy-source-if-modified-since", "x-amz-copy-source-if-unmodified-since"},
      now_ms);
}

Result<object::WriteConditions> parse_write_conditions(const net::Headers& headers) {
  object::WriteConditions conditions;
  const auto single = [&](std::string_view name) -> Result<std::optional<std::string>> {
    const auto value = headers.get(name);
    if (!value) return std::optional<std::string>{};
    auto tags = etag_list(*value);
    if (tags.size() != 1) return header_not_implemented(name);
    return std::optional<std::string>(std::move(tags.front()));
  };
  CAIRN_ASSIGN(conditions.if_match, single("If-Match"));
  CAIRN_ASSIGN(conditions.if_none_match, single("If-None-Match"));
  return conditions;
}

std::optional<object::ByteRange> parse_range(std::string_view value) {
  value = trim(value);
  if (!has_prefix(value, "bytes=")) return std::nullopt;
  value.remove_prefix(6);
  const auto dash = value.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto number = [](std::string_view text) -> std::optional<std::uint64_t> {
    if (text.empty() || !std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; }))
      return {};
    return parse_number(text).value_or(UINT64_MAX);  // beyond 64 bits is beyond any object
  };
  const auto first_text = value.substr(0, dash), last_text = value.substr(dash + 1);
  object::ByteRange range;
  if (!first_text.empty()) {
    range.first = number(first_text);
    if (!range.first) return std::nullopt;
  }
  if (!last_text.empty()) {
    range.last = number(last_text);
    if (!range.last) return std::nullopt;
  }
  if (!range.first && !range.last) return std::nullopt;
  if (range.first && range.last && *range.first > *range.last) return std::nullopt;
  return range;
}

Result<CopySource> parse_copy_source(std::string_view value) {
  const auto bad = [&](std::string message) {
    return argument_error(std::move(message), "x-amz-copy-source", value);
  };
  std::string_view path = value;
  CopySource source;
  if (const auto query = path.rfind("?versionId="); query != std::string_view::npos) {
    auto version = model::VersionId::parse(path.substr(query + 11));
    if (!version) return bad("Invalid version id specified");
    source.version = *version;
    path = path.substr(0, query);
  }
  // A plus is a space, as some clients encode it; a plus itself is %2B.
  std::string spaced(path);
  std::ranges::replace(spaced, '+', ' ');
  const auto decoded = net::percent_decode(spaced);
  if (!decoded) return bad("Invalid copy source encoding.");
  path = *decoded;
  if (path.starts_with('/')) path.remove_prefix(1);
  if (path.starts_with("arn:")) return header_not_implemented("x-amz-copy-source");
  const auto slash = path.find('/');
  if (slash == std::string_view::npos || slash == 0 || slash + 1 == path.size()) {
    return bad("Copy Source must mention the source bucket and key: sourcebucket/sourcekey");
  }
  source.bucket = path.substr(0, slash);
  source.key = path.substr(slash + 1);
  return source;
}

std::string_view unquote_etag(std::string_view text) {
  text = trim(text);
  if (text.starts_with("W/")) text.remove_prefix(2);
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"')
    text = text.substr(1, text.size() - 2);
  return text;
}

std::string quote_etag(std::string_view etag) {
  std::string out;
  out.reserve(etag.size() + 2);
  out += '"';
  out += etag;
  out += '"';
  return out;
}

}  // namespace cairn::s3
