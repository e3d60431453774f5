#include <algorithm>

#include "s3/body.h"
#include "s3/error.h"
#include "s3/ops/ops.h"
#include "s3/tags.h"
#include "s3/xml.h"

namespace cairn::s3::ops {
namespace {

constexpr std::string_view kClassicRegion = "us-east-1";

// Location constraints that AWS knows; others are invalid rather than incompatible.
constexpr std::string_view kRegions[] = {"EU",
                                         "af-south-1",
                                         "ap-east-1",
                                         "ap-east-2",
                                         "ap-northeast-1",
                                         "ap-northeast-2",
                                         "ap-northeast-3",
                                         "ap-south-1",
                                         "ap-south-2",
                                         "ap-southeast-1",
                                         "ap-southeast-2",
                                         "ap-southeast-3",
                                         "ap-southeast-4",
                                         "ap-southeast-5",
                                         "ap-southeast-6",
                                         "ap-southeast-7",
                                         "ca-central-1",
                                         "ca-west-1",
                                         "cn-north-1",
                                         "cn-northwest-1",
                                         "eu-central-1",
                                         "eu-central-2",
                                         "eu-north-1",
                                         "eu-south-1",
                                         "eu-south-2",
                                         "eu-west-1",
                                         "eu-west-2",
                                         "eu-west-3",
                                         "il-central-1",
                                         "me-central-1",
                                         "me-south-1",
                                         "mx-central-1",
                                         "sa-east-1",
                                         "us-east-1",
                                         "us-east-2",
                                         "us-gov-east-1",
                                         "us-gov-west-1",
                                         "us-west-1",
                                         "us-west-2"};

struct Configuration {
  std::string location{};
  object::Tags tags{};
};

Result<Configuration> parse(std::string_view document) {
  Configuration configuration;
  if (document.empty()) return configuration;
  CAIRN_ASSIGN(const XmlDocument xml, XmlDocument::parse(document));
  const XmlNode root = xml.root();
  if (root.name() != "CreateBucketConfiguration") return Error{Code::malformed_xml, ""};
  if (root.child("Location") || root.child("Bucket")) {
    return Error{Code::not_implemented, "Directory buckets are not implemented."};
  }
  configuration.location = root.child("LocationConstraint").text();
  if (const XmlNode tags = root.child("Tags")) {
    CAIRN_ASSIGN(configuration.tags, parse_tag_set(tags, kMaxBucketTags));
  }
  return configuration;
}

// The constraint must name the region of this endpoint; us-east-1 is also what no constraint means.
Result<void> check_location(const std::string& location, const std::string& region) {
  if (location == region || (location == "EU" && region == "eu-west-1")) return {};
  if (location.empty() && region == kClassicRegion) return {};
  // What SDKs call their region when none is configured: it states no place.
  if (location == "aws-global") return {};
  if (!location.empty() && std::ranges::find(kRegions, location) == std::end(kRegions)) {
    return Error{Code::invalid_location_constraint,
                 "The specified location-constraint is not valid",
                 {{"LocationConstraint", location}}};
  }
  return Error{Code::illegal_location_constraint,
               "The " + (location.empty() ? std::string("unspecified") : location) +
                   " location constraint is incompatible for the region specific endpoint this "
                   "request was sent to."};
}

}  // namespace

Answer create_bucket(Context& c) {
  // 1. Where and with which tags.
  auto document = co_await read_document(c, kMaxDocumentBytes);
  if (!document) co_return std::move(document.error());
  CAIRN_CO_ASSIGN(Configuration configuration, parse(*document));
  CAIRN_CO_TRY(check_location(configuration.location, c.options.region));
  const bool tagged = !configuration.tags.empty();
  if (tagged) CAIRN_CO_TRY(authorize(c, "s3:TagResource", c.target.bucket, ""));

  // 2. Create it. In us-east-1, creating one's own bucket again succeeds and changes nothing.
  auto done = co_await c.objects().create_bucket(c.bucket(), c.options.region,
                                                 std::move(configuration.tags));
  if (!done) {
    const bool again = done.code() == Code::bucket_already_owned_by_you && !tagged;
    if (!again || c.options.region != kClassicRegion) co_return std::move(done.error());
  }

  // 3. The answer.
  net::Response response;
  response.headers.add("Location", '/' + c.bucket().text());
  co_return response;
}

}  // namespace cairn::s3::ops
