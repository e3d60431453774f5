#include "s3/object_headers.h"

#include "s3/checksums.h"
#include "s3/error.h"
#include "s3/headers.h"
#include "s3/rfc2047.h"

namespace cairn::s3 {
namespace {

struct Override {
  std::string_view parameter, header;
};
constexpr Override kOverrides[] = {{"response-cache-control", "cache-control"},
                                   {"response-content-disposition", "content-disposition"},
                                   {"response-content-encoding", "content-encoding"},
                                   {"response-content-language", "content-language"},
                                   {"response-content-type", "content-type"},
                                   {"response-expires", "expires"}};

// The name as AWS spells it on the wire.
std::string_view wire_name(std::string_view stored) {
  if (stored == "cache-control") return "Cache-Control";
  if (stored == "content-disposition") return "Content-Disposition";
  if (stored == "content-encoding") return "Content-Encoding";
  if (stored == "content-language") return "Content-Language";
  if (stored == "content-type") return "Content-Type";
  if (stored == "expires") return "Expires";
  return stored;
}

void add_stored(net::Headers& headers, const object::Meta& meta, const Query& query) {
  bool typed = false;
  const auto overridden = [&](std::string_view name) {
    for (const auto& o : kOverrides) {
      if (o.header == name) return query.has(o.parameter);
    }
    return false;
  };
  const bool any = !query.pairs().empty();
  for (const auto& [name, value] : meta.system) {
    if (any && overridden(name)) continue;
    typed = typed || name == "content-type";
    headers.add(std::string(wire_name(name)), value);
  }
  if (any) {
    for (const auto& o : kOverrides) {
      const auto value = query.get(o.parameter);
      if (!value) continue;
      typed = typed || o.header == "content-type";
      headers.add(std::string(wire_name(o.header)), std::string(*value));
    }
  }
  if (!typed) headers.add("Content-Type", std::string(meta.content_type()));
  for (const auto& [name, value] : meta.user) {
    headers.add("x-amz-meta-" + name, encode_header_text(value));
  }
}

// The checksum of exactly what is sent: the whole object, or the part asked for.
void add_checksums(const Context& context, const object::GetResult& result, net::Headers& headers) {
  const auto mode = context.header("x-amz-checksum-mode");
  if (!mode || (*mode != "ENABLED" && *mode != "enabled") || !result.info.meta.checksum) return;
  const object::ObjectChecksum& whole = *result.info.meta.checksum;
  if (result.part_checksum) {
    add_checksum(headers, {whole.algorithm, whole.type, *result.part_checksum}, 0, true);
  } else if (!result.partial || result.length == result.info.size) {
    add_checksum(headers, whole, result.info.part_count, true);
  }
}

}  // namespace

net::Response object_response(const Context& context, const object::GetResult& result) {
  const object::ObjectInfo& info = result.info;
  net::Response response;
  net::Headers& headers = response.headers;
  response.status = result.partial ? 206 : 200;
  response.content_length = result.length;
  headers.add("Last-Modified", net::http_date(info.modified_ms));
  headers.add("ETag", quote_etag(info.etag));
  headers.add("Accept-Ranges", "bytes");
  if (result.partial && result.length > 0) {
    headers.add("Content-Range", "bytes " + std::to_string(result.offset) + '-' +
                                     std::to_string(result.offset + result.length - 1) + '/' +
                                     std::to_string(info.size));
  }
  if (info.bucket_versioned) headers.add("x-amz-version-id", info.version.text());
  if (!info.meta.tags.empty())
    headers.add("x-amz-tagging-count", std::to_string(info.meta.tags.size()));
  if (!info.storage_class.empty() && info.storage_class != "STANDARD") {
    headers.add("x-amz-storage-class", info.storage_class);
  }
  if (info.part_count > 0 && context.query.has("partNumber")) {
    headers.add("x-amz-mp-parts-count", std::to_string(info.part_count));
  }
  add_stored(headers, info.meta, context.query);
  add_checksums(context, result, headers);
  return response;
}

Result<void> check_overrides(const Context& context) {
  if (context.query.pairs().empty()) return {};
  for (const auto& o : kOverrides) {
    const auto value = context.query.get(o.parameter);
    if (!value) continue;
    if (context.who.identity.anonymous()) {
      return Error{Code::invalid_request,
                   "Request specific response headers cannot be used for anonymous GET requests."};
    }
    if (!is_header_value(*value)) {
      return argument_error("The value cannot be sent as a header.", o.parameter, *value);
    }
  }
  return {};
}

Result<object::GetRequest> parse_get(const Context& context, bool want_body) {
  CAIRN_TRY(check_overrides(context));
  object::GetRequest get{.bucket = context.bucket(), .key = context.key(), .want_body = want_body};
  CAIRN_ASSIGN(get.version, version_of(context));
  CAIRN_ASSIGN(get.part_number, part_number_of(context));
  if (const auto range = context.header("range")) get.range = parse_range(*range);
  if (get.range && get.part_number) {
    return Error{Code::invalid_request,
                 "Cannot specify both Range header and partNumber query parameter"};
  }
  get.conditions = parse_read_conditions(context.request.headers, context.now_ms);
  return get;
}

}  // namespace cairn::s3
