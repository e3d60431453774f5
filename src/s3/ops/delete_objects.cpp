#include <span>

#include "io/sync.h"
#include "s3/body.h"
#include "s3/error.h"
#include "s3/headers.h"
#include "s3/ops/ops.h"
#include "s3/time_text.h"
#include "s3/xml.h"

namespace cairn::s3::ops {
namespace {

constexpr std::size_t kMaxKeys = 1000;
// Deletes run side by side so that drives commit them together.
constexpr std::size_t kAtOnce = 64;

struct Entry {
  std::string key{}, version{};
  object::WriteConditions conditions{};
  std::optional<Error> error{};  // found wrong before anything was done
};

struct Order {
  std::vector<Entry> entries{};
  bool quiet = false;
};

Result<Entry> parse_entry(XmlNode node) {
  Entry entry{.key = node.child("Key").text(), .version = node.child("VersionId").text()};
  if (!node.child("Key") || entry.key.empty()) return Error{Code::malformed_xml, ""};
  if (const auto etag = node.child("ETag"))
    entry.conditions.if_match = std::string(unquote_etag(etag.text()));
  if (const auto time = node.child("LastModifiedTime")) {
    entry.conditions.if_match_modified_ms = parse_time(time.text());
    if (!entry.conditions.if_match_modified_ms) return Error{Code::malformed_xml, ""};
  }
  if (const auto size = node.child("Size")) {
    entry.conditions.if_match_size = parse_number(size.text());
    if (!entry.conditions.if_match_size) return Error{Code::malformed_xml, ""};
  }
  return entry;
}

Result<Order> parse_order(std::string_view document) {
  CAIRN_ASSIGN(const XmlDocument xml, XmlDocument::parse(document));
  if (xml.root().name() != "Delete") return Error{Code::malformed_xml, ""};
  Order order;
  order.quiet = xml.root().child("Quiet").text() == "true";
  for (const XmlNode node : xml.root().children("Object")) {
    if (order.entries.size() == kMaxKeys) return Error{Code::malformed_xml, ""};
    CAIRN_ASSIGN(Entry entry, parse_entry(node));
    order.entries.push_back(std::move(entry));
  }
  if (order.entries.empty()) return Error{Code::malformed_xml, ""};
  return order;
}

// What to do for one entry, decided and checked, but not done.
Result<object::DeleteRequest> prepare(const Context& c, const Entry& entry) {
  CAIRN_TRY(authorize(c, entry.version.empty() ? "s3:DeleteObject" : "s3:DeleteObjectVersion",
                      c.target.bucket, entry.key));
  CAIRN_ASSIGN(model::ObjectKey key, model::ObjectKey::parse(entry.key));
  object::DeleteRequest remove{
      .bucket = c.bucket(), .key = std::move(key), .conditions = entry.conditions};
  if (!entry.version.empty()) {
    auto version = model::VersionId::parse(entry.version);
    if (!version) return Error{Code::no_such_version, ""};  // unlike DeleteObject, as AWS
    remove.version = *version;
  }
  return remove;
}

io::Task<Result<object::DeleteResult>> run(Context& c, Result<object::DeleteRequest> request) {
  if (!request) co_return std::move(request.error());
  co_return co_await c.objects().remove(std::move(*request));
}

void write_deleted(XmlWriter& xml, const Entry& entry, const object::DeleteResult& done) {
  xml.open("Deleted");
  xml.text("Key", entry.key);
  if (!entry.version.empty()) xml.text("VersionId", entry.version);
  if (done.delete_marker) {
    xml.boolean("DeleteMarker", true);
    if (done.version) xml.text("DeleteMarkerVersionId", done.version->text());
  }
  xml.close("Deleted");
}

void write_error(XmlWriter& xml, const Entry& entry, const Error& error) {
  xml.open("Error");
  xml.text("Key", entry.key);
  if (!entry.version.empty()) xml.text("VersionId", entry.version);
  xml.text("Code", s3_error(error.code).code);
  xml.text("Message", public_message(error));
  xml.close("Error");
}

}  // namespace

Answer delete_objects(Context& c) {
  // 1. The order, whole and intact.
  auto document = co_await read_document(c, kMaxDocumentBytes * 2, Integrity::required);
  if (!document) co_return std::move(document.error());
  CAIRN_CO_ASSIGN(const Order order, parse_order(*document));
  if (auto bucket = c.objects().bucket(c.bucket()); !bucket) co_return std::move(bucket.error());

  // 2. Decide each key, then delete, some at a time; every key has its own outcome.
  XmlWriter xml("DeleteResult");
  for (std::size_t start = 0; start < order.entries.size(); start += kAtOnce) {
    const auto batch =
        std::span(order.entries).subspan(start, std::min(kAtOnce, order.entries.size() - start));
    std::vector<io::Task<Result<object::DeleteResult>>> tasks;
    tasks.reserve(batch.size());
    for (const Entry& entry : batch) tasks.push_back(run(c, prepare(c, entry)));
    const auto outcomes = co_await io::when_all(std::move(tasks));

    // 3. What became of each.
    for (std::size_t i = 0; i < batch.size(); ++i) {
      if (!outcomes[i]) {
        write_error(xml, batch[i], outcomes[i].error());
      } else if (!order.quiet) {
        write_deleted(xml, batch[i], *outcomes[i]);
      }
    }
  }
  co_return xml_response(xml.finish());
}

}  // namespace cairn::s3::ops
