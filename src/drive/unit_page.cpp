#include "drive/unit_page.h"

#include "base/assert.h"

namespace cairn::drive {

model::UnitKey UnitPage::Unit::unit() const {
  auto unit = model::UnitKey::decode(key());
  CAIRN_ASSERT(unit.has_value());  // checked where it was read
  return std::move(*unit);
}

std::optional<model::Stamp> UnitPage::Unit::head() const {
  if (!has_head()) return std::nullopt;
  return header().head;
}

void UnitPage::add(std::string_view key, std::optional<model::Stamp> head, bool settled,
                   bool exact) {
  Unit::Header h;
  h.head = head.value_or(model::Stamp{});
  h.has_head = head ? 1 : 0;
  h.flags = static_cast<std::uint8_t>((settled ? kSettled : 0) | (exact ? kExact : 0));
  h.key_bytes = static_cast<std::uint32_t>(key.size());
  h.bytes = static_cast<std::uint32_t>(sizeof h + key.size());
  last_ = bytes_.size();
  ++count_;
  bytes_.append(reinterpret_cast<const char*>(&h), sizeof h);
  bytes_.append(key);
}

void UnitPage::add_row(const model::Stamp& order, const model::Stamp& stamp,
                       std::string_view record) {
  CAIRN_ASSERT(count_ > 0);
  char head[kRowHeader];
  const auto length = static_cast<std::uint32_t>(record.size());
  std::memcpy(head, &order, 16);
  std::memcpy(head + 16, &stamp, 16);
  std::memcpy(head + 32, &length, 4);
  bytes_.append(head, sizeof head);
  bytes_.append(record);
  Unit::Header h = last().header();
  ++h.rows;
  h.bytes += static_cast<std::uint32_t>(kRowHeader + record.size());
  std::memcpy(bytes_.data() + last_, &h, sizeof h);
}

void UnitPage::set_passes_group() {
  CAIRN_ASSERT(count_ > 0);
  Unit::Header h = last().header();
  h.flags |= kPassesGroup;
  std::memcpy(bytes_.data() + last_, &h, sizeof h);
}

}  // namespace cairn::drive
