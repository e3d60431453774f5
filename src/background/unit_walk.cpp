#include "background/unit_walk.h"

#include <algorithm>

#include "base/log.h"
#include "model/record.h"
#include "store/within.h"

namespace cairn::background {
namespace {

constexpr std::string_view kEndOfUnits = "\xff";  // after every unit key: they begin with a letter

io::Task<Result<drive::ScanReply>> scan(std::shared_ptr<drive::Drive> drive,
                                        drive::ScanRequest request) {
  co_return co_await drive->scan(std::move(request));
}

std::uint64_t bytes_of(const drive::UnitPage::Rows& rows) {
  std::uint64_t bytes = 0;
  for (const auto row : rows)
    if (const auto record = model::decode_record(row.record)) bytes += record->size;
  return bytes;
}

}  // namespace

UnitWalk::UnitWalk(std::vector<std::shared_ptr<drive::Drive>> drives, io::Duration call_deadline,
                   std::size_t page_units)
    : call_deadline_(call_deadline), page_units_(page_units) {
  for (auto& d : drives) streams_.push_back({.drive = std::move(d)});
}

io::Task<void> UnitWalk::refill(Stream& stream) {
  while (stream.page.empty() && !stream.exhausted) {  // a page may be empty and not the last
    drive::ScanRequest request;
    request.drive = stream.drive->id();
    request.begin = stream.resume;
    request.end = std::string(kEndOfUnits);
    request.max_units = page_units_;
    request.all_rows = true;
    auto reply = co_await store::within<drive::ScanReply>(call_deadline_,
                                                          scan(stream.drive, std::move(request)));
    if (!reply || reply->refusal != drive::Refusal::none ||
        (!reply->exhausted && reply->resume <= stream.resume)) {
      log::warn("a drive cannot be walked",
                {{"drive", stream.drive->id().hex()},
                 {"reason", reply ? "it refused" : reply.error().message}});
      stream.failed = true;
      break;
    }
    for (const auto unit : reply->units)
      stream.page.push_back({unit.unit(), bytes_of(unit.rows())});
    stream.exhausted = reply->exhausted;
    stream.resume = std::move(reply->resume);
  }
}

io::Task<std::optional<UnitWalk::Item>> UnitWalk::next() {
  const Stream* first = nullptr;
  for (Stream& s : streams_) {
    if (s.page.empty() && !s.exhausted && !s.failed) co_await refill(s);
    if (!s.page.empty() && (!first || s.page.front().unit < first->page.front().unit)) first = &s;
  }
  if (!first) co_return std::nullopt;
  Item item = first->page.front();
  for (Stream& s : streams_) {
    if (s.page.empty() || s.page.front().unit != item.unit) continue;
    item.bytes = std::max(item.bytes, s.page.front().bytes);
    s.page.pop_front();
  }
  co_return item;
}

std::set<model::DriveId> UnitWalk::complete() const {
  std::set<model::DriveId> out;
  for (const Stream& s : streams_)
    if (s.exhausted && !s.failed && s.page.empty()) out.insert(s.drive->id());
  return out;
}

}  // namespace cairn::background
