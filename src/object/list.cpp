// ListObjects (v1 and v2 are the same page).
#include "object/engine.h"
#include "object/walker.h"

namespace cairn::object {
io::Task<Result<ListPage>> Engine::list(ListRequest request) {
  CAIRN_CO_ASSIGN(const BucketView view, buckets_.find(request.bucket));
  ListPage page;
  if (request.max_keys == 0) co_return page;  // as AWS: not truncated
  Walker walker(store_, {model::UnitKind::object, view.id, request.prefix, request.delimiter, false,
                         request.max_keys});
  walker.start_after(request.after);
  page.held = walker.held();
  page.objects.reserve(std::min<std::size_t>(request.max_keys, 1000));
  for (;;) {
    while (auto entry = walker.take()) {
      // One more than asked for is the proof that the page is not the last.
      if (page.objects.size() + page.common_prefixes.size() == request.max_keys) {
        page.truncated = true;
        co_return page;
      }
      if (auto* common = std::get_if<std::string>(&*entry)) {
        page.next = *common;
        page.common_prefixes.push_back(std::move(*common));
        continue;
      }
      const auto& unit = std::get<Walker::Unit>(*entry);
      CAIRN_CO_ASSIGN(const ListedObject object, listed(unit.key, unit.unit.rows().front(), true));
      page.next = object.key;
      page.objects.push_back(object);
    }
    CAIRN_CO_ASSIGN(const bool more, co_await walker.refill());
    if (!more) co_return page;
  }
}

}  // namespace cairn::object
