#include "s3/body.h"
#include "s3/error.h"
#include "s3/ops/ops.h"
#include "s3/xml.h"

namespace cairn::s3::ops {
namespace {

Result<object::Versioning> parse(std::string_view document) {
  CAIRN_ASSIGN(const XmlDocument xml, XmlDocument::parse(document));
  const XmlNode root = xml.root();
  if (root.name() != "VersioningConfiguration") return Error{Code::malformed_xml, ""};
  if (const XmlNode mfa = root.child("MfaDelete"); mfa && mfa.text() != "Disabled") {
    return Error{Code::not_implemented, "MFA delete is not implemented."};
  }
  if (!root.child("Status")) return Error{Code::illegal_versioning_configuration, ""};
  const std::string status = root.child("Status").text();
  if (status == "Enabled") return object::Versioning::enabled;
  if (status == "Suspended") return object::Versioning::suspended;
  return Error{Code::malformed_xml, ""};
}

}  // namespace

Answer put_bucket_versioning(Context& c) {
  // 1. What is asked for.
  auto document = co_await read_document(c, kMaxDocumentBytes);
  if (!document) co_return std::move(document.error());
  CAIRN_CO_ASSIGN(const object::Versioning versioning, parse(*document));
  // 2. Set it.
  auto done = co_await c.objects().set_versioning(c.bucket(), versioning);
  if (!done) co_return std::move(done.error());
  co_return net::Response{};
}

}  // namespace cairn::s3::ops
