// What a drive should know of one unit, written down as simply as can be: every pending with all
// the rows it leaves. The tests compare it with the real thing.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "drive/drive.h"

namespace cairn::drive::testing {

struct UnitModel {
  using Rows = std::map<Stamp, Row, std::greater<>>;  // by order, newest first
  struct Held {
    Mutation mutation;
    Rows after;
  };
  std::optional<Stamp> settled_head{};
  Rows settled{};
  std::map<Stamp, Held, std::greater<>> pendings{};  // newest first

  std::optional<Stamp> head() const {
    return pendings.empty() ? settled_head : std::optional(pendings.begin()->first);
  }
  const Rows& rows() const { return pendings.empty() ? settled : pendings.begin()->second.after; }

  // False: the protocol does not allow it (a pending that is not whole would lose its base).
  bool move_to(Stamp head, Rows rows) {
    for (const auto& [stamp, held] : pendings)
      if (stamp > head && !held.mutation.whole && held.mutation.base != head) return false;
    settled_head = head;
    settled = std::move(rows);
    std::erase_if(pendings, [&](const auto& p) { return p.first <= head; });
    return true;
  }
  bool settle(Stamp stamp) {
    const auto it = pendings.find(stamp);
    if (it == pendings.end()) return true;
    if (!it->second.mutation.whole && it->second.mutation.base != settled_head) return false;
    return move_to(stamp, it->second.after);
  }
  bool settle_and_forget(Stamp stamp) {
    if (head() != stamp) return settle(stamp);
    if (!rows().empty()) return false;
    *this = UnitModel();
    return true;
  }
  // Nothing: an error.
  std::optional<Refusal> mutate(const Mutation& m) {
    if (const auto it = pendings.find(m.stamp); it != pendings.end())
      return it->second.mutation.value == m.value ? std::optional(Refusal::none) : std::nullopt;
    if (settled_head == m.stamp) return Refusal::none;
    if (head() && m.stamp <= *head()) return Refusal::stale_stamp;
    if (m.base && m.base != settled_head && pendings.contains(*m.base) && !settle(*m.base))
      return std::nullopt;
    if (!m.whole && m.base != settled_head) return Refusal::no_base;
    std::set<model::ValueId> values;
    for (const auto& [stamp, held] : pendings) values.insert(held.mutation.value);
    if (values.size() >= 16 && !values.contains(m.value)) return Refusal::too_many_pending;
    Held held{m, m.whole ? Rows{} : settled};
    for (const auto& order : m.removes) held.after.erase(order);
    for (const auto& row : m.puts) held.after[row.order] = row;
    pendings.emplace(m.stamp, std::move(held));
    return Refusal::none;
  }
  std::optional<Refusal> install(Stamp head, const std::vector<Row>& rows) {
    if (settled_head && head < *settled_head) return Refusal::stale_stamp;
    Rows all;
    for (const auto& row : rows) all[row.order] = row;
    return move_to(head, std::move(all)) ? std::optional(Refusal::none) : std::nullopt;
  }
  Refusal forget(Stamp head) {
    if (!this->head()) return Refusal::none;
    if (!pendings.empty() || settled_head != head || !settled.empty()) return Refusal::stale_stamp;
    settled_head.reset();
    return Refusal::none;
  }
};

}  // namespace cairn::drive::testing
