// ListObjectVersions: keys in order, of each the newest version first; delete markers among them.
#include "object/engine.h"
#include "object/walker.h"

namespace cairn::object {
namespace {

// Where the rows after the marker begin. Rows are ordered by the time of creation, newest first, so
// a version that is gone by now still marks its place; "null" has no place of its own: where it is
// gone all rows are shown again rather than one be missed.
std::size_t after_marker(const std::vector<drive::Row>& rows, const VersionId& marker) {
  if (!marker.null) {
    std::size_t at = 0;
    while (at < rows.size() && rows[at].order >= marker.order) ++at;
    return at;
  }
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto record = model::decode_record(rows[i].record);
    if (record && record->version.null) return i + 1;
  }
  return 0;
}

class Page {
 public:
  Page(const ListVersionsRequest& request, BucketView view) : request_(request), view_(view) {}
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
    std::size_t row = 0;
    if (request_.version_marker && unit.key == request_.key_marker) {
      row = after_marker(unit.unit.rows, *request_.version_marker);
    }
    for (; row < unit.unit.rows.size(); ++row) {
      if (full()) return false;
      CAIRN_ASSIGN(ObjectInfo info, listed_info(view_, unit.key, unit.unit.rows[row], row == 0));
      page.next_key = unit.key;
      page.next_version = info.version;
      page.versions.push_back(std::move(info));
    }
    return true;
  }

 private:
  bool full() {
    page.truncated = page.versions.size() + page.common_prefixes.size() == request_.max_keys;
    return page.truncated;
  }
  const ListVersionsRequest& request_;
  const BucketView view_;
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
  Page out(request, view);
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
