// ListObjectVersions: keys in order, of each the newest version first; delete markers among them.
#include "object/engine.h"
#include "object/walker.h"

namespace cairn::object {
namespace {

// Where the rows after the marker begin. Rows are ordered by the time of creation, newest first, so
// a version that is gone by now still marks its place; "null" has no place of its own: where it is
// gone all rows are shown again rather than one be missed.
std::size_t after_marker(const drive::UnitPage::Rows& rows, const VersionId& marker) {
  std::size_t at = 0;
  for (const auto row : rows) {
    if (marker.null) {
      const auto record = model::decode_listed(row.record);
      if (record && record->version.null) return at + 1;
    } else if (row.order < marker.order) {
      return at;
    }
    ++at;
  }
  return marker.null ? 0 : at;
}

class Page {
 public:
  explicit Page(const ListVersionsRequest& request) : request_(request) {}
  ListVersionsPage page{};

  // False: the page is full, and this would not fit.
  Result<bool> add(std::string common) {
    if (full()) return false;
    page.next_key = common;
    page.next_version.reset();
    page.common_prefixes.push_back(std::move(common));
    return true;
  }
  Result<bool> add(const Walker::Unit& unit) {
    const auto rows = unit.unit.rows();
    std::size_t passed = 0, at = 0;
    if (request_.version_marker && unit.key == request_.key_marker)
      passed = after_marker(rows, *request_.version_marker);
    for (const auto row : rows) {
      if (at++ < passed) continue;
      if (full()) return false;
      CAIRN_ASSIGN(const ListedObject object, listed(unit.key, row, at == 1));
      page.next_key = unit.key;
      page.next_version = object.version;
      page.versions.push_back(object);
    }
    return true;
  }

 private:
  bool full() {
    page.truncated = page.versions.size() + page.common_prefixes.size() == request_.max_keys;
    return page.truncated;
  }
  const ListVersionsRequest& request_;
};

}  // namespace

io::Task<Result<ListVersionsPage>> Engine::list_versions(ListVersionsRequest request) {
  CAIRN_CO_ASSIGN(const BucketView view, buckets_.find(request.bucket));
  if (request.version_marker && request.key_marker.empty()) {
    co_return Error{Code::invalid_argument,
                    "A version-id marker cannot be specified without a key marker."};
  }
  if (request.max_keys == 0) co_return ListVersionsPage{};
  Walker walker(store_, {model::UnitKind::object, view.id, request.prefix, request.delimiter, true,
                         request.max_keys});
  if (request.version_marker) {
    walker.start_within(request.key_marker,
                        model::UnitKey::object(view.id, request.key_marker).encoded());
  } else {
    walker.start_after(request.key_marker);
  }
  Page out(request);
  out.page.held = walker.held();
  for (;;) {
    while (auto entry = walker.take()) {
      auto added = std::holds_alternative<std::string>(*entry)
                       ? out.add(std::get<std::string>(std::move(*entry)))
                       : out.add(std::get<Walker::Unit>(*entry));
      if (!added) co_return added.error();
      if (!*added) co_return std::move(out.page);
    }
    CAIRN_CO_ASSIGN(const bool more, co_await walker.refill());
    if (!more) co_return std::move(out.page);
  }
}

}  // namespace cairn::object
