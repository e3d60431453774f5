// What one request is while it is answered, and what every operation shares.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/assert.h"
#include "s3/addressing.h"
#include "s3/query.h"
#include "s3/service.h"

namespace cairn::s3 {

struct Operation;

// Lives in the frame of Service::handle; operations may keep references to it while they run.
struct Context {
  const Parts& parts;
  const Options& options;
  net::Request& request;
  const Operation& operation;
  Target target;
  Query query;
  std::int64_t now_ms = 0;
  auth::Verified who{};
  // Checked names. REQUIRES of operations: the level of their route has them.
  std::optional<model::BucketName> bucket_name{};
  std::optional<model::ObjectKey> object_key{};
  // The decoder of the body, when one is needed; the body of a request to the object layer points
  // here.
  std::unique_ptr<auth::BodyReader> body_reader{};

  const model::BucketName& bucket() const {
    CAIRN_ASSERT(bucket_name.has_value());
    return *bucket_name;
  }
  const model::ObjectKey& key() const {
    CAIRN_ASSERT(object_key.has_value());
    return *object_key;
  }
  object::Objects& objects() const { return parts.objects; }
  std::optional<std::string_view> header(std::string_view name) const {
    return request.headers.get(name);
  }
  // Of everything here: there is one account.
  const std::string& owner() const { return who.identity.user; }
  bool head() const { return request.method == "HEAD"; }
};

using Handler = io::Task<Result<net::Response>> (*)(Context&);

// A further decision that an operation needs, of its source or of what else it changes: ok or
// access_denied.
Result<void> authorize(const Context& context, std::string_view action, std::string_view bucket,
                       std::string_view key);

// versionId of the query: none when absent; illegal_version_id, invalid_argument.
Result<std::optional<model::VersionId>> version_of(const Context& context);
// uploadId of the query; no_such_upload when it cannot be one.
Result<model::UploadId> upload_of(const Context& context);
// partNumber of the query, 1 to 10000; none when absent; invalid_argument.
Result<std::optional<std::uint32_t>> part_number_of(const Context& context);

// A response with an XML document.
net::Response xml_response(std::string document, int status = 200);

// Adds what AWS's error documents name (the key, the bucket, the version) where the object layer
// did not.
Error with_names(Error error, const Context& context);

}  // namespace cairn::s3
