#include "s3/context.h"

#include "s3/error.h"

namespace cairn::s3 {

Result<void> authorize(const Context& context, std::string_view action, std::string_view bucket,
                       std::string_view key) {
  return context.parts.policy.decide(
      context.who.identity,
      auth::Action{.name = action, .bucket = std::string(bucket), .key = std::string(key)});
}

Result<std::optional<model::VersionId>> version_of(const Context& context) {
  const auto text = context.query.get("versionId");
  if (!text) return std::optional<model::VersionId>{};
  if (text->empty()) {
    return argument_error("Version id cannot be the empty string", "versionId", *text);
  }
  auto version = model::VersionId::parse(*text);
  if (!version) return argument_error("Invalid version id specified", "versionId", *text);
  return std::optional<model::VersionId>(*version);
}

Result<model::UploadId> upload_of(const Context& context) {
  const auto text = context.query.get_or_empty("uploadId");
  const auto id = model::UploadId::from_hex(text);
  if (!id) {
    if (auto bucket = context.parts.objects.bucket(context.bucket()); !bucket) {
      return std::move(bucket.error());
    }
    return Error{Code::no_such_upload,
                 "The upload id is not one of ours.",
                 {{"UploadId", std::string(text)}}};
  }
  return *id;
}

Result<std::optional<std::uint32_t>> part_number_of(const Context& context) {
  const auto text = context.query.get("partNumber");
  if (!text) return std::optional<std::uint32_t>{};
  const auto number = parse_number(*text);
  if (!number || *number < 1 || *number > object::kMaxParts) {
    return argument_error("Part number must be an integer between 1 and 10000, inclusive",
                          "partNumber", *text);
  }
  return std::optional<std::uint32_t>(static_cast<std::uint32_t>(*number));
}

net::Response xml_response(std::string document, int status) {
  net::Response response;
  response.status = status;
  response.headers.add("Content-Type", "application/xml");
  response.content = std::move(document);
  return response;
}

Error with_names(Error error, const Context& context) {
  const auto add = [&error](std::string_view name, std::string_view value) {
    for (const auto& [n, v] : error.details) {
      if (n == name) return;
    }
    if (!value.empty()) error.details.emplace_back(name, value);
  };
  switch (error.code) {
    case Code::no_such_bucket:
    case Code::bucket_not_empty:
    case Code::bucket_already_exists:
    case Code::bucket_already_owned_by_you:
    case Code::invalid_bucket_name:
    case Code::no_such_tag_set:
      add("BucketName", context.target.bucket);
      break;
    case Code::no_such_key:
      add("Key", context.target.key);
      break;
    case Code::no_such_version:
      add("Key", context.target.key);
      add("VersionId", context.query.get_or_empty("versionId"));
      break;
    case Code::no_such_upload:
    case Code::invalid_part:
    case Code::invalid_part_order:
      add("UploadId", context.query.get_or_empty("uploadId"));
      break;
    case Code::method_not_allowed:
      add("Method", context.request.method);
      break;
    case Code::invalid_range:
      add("RangeRequested", context.header("range").value_or(""));
      break;
    default:
      break;
  }
  return error;
}

}  // namespace cairn::s3
