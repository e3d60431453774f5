#include "control/memory.h"

#include <gtest/gtest.h>

#include "io/testing/sim_executor.h"

namespace cairn::control {
namespace {

TEST(MemoryStore, BehavesAsAStore) {
  io::testing::SimExecutor executor(1);
  MemoryStore store;
  std::vector<std::string> seen;
  const auto watch =
      store.watch("a", [&](const std::string& key, const std::optional<Entry>& entry) {
        seen.push_back(key + (entry ? "=" + entry->value : " gone"));
      });
  const auto commit = [&](std::vector<Condition> c, std::vector<Change> d) {
    return executor.run(store.commit(std::move(c), std::move(d)));
  };
  EXPECT_EQ(*commit({{"a", 0}}, {{"a", "1"}, {"b", "2"}}), 1u);
  EXPECT_EQ(commit({{"a", 0}}, {{"a", "x"}}).code(), Code::conflict);
  store.set_unavailable(true);
  EXPECT_EQ(commit({}, {{"a", "x"}}).code(), Code::unavailable);
  store.set_unavailable(false);
  EXPECT_EQ(*commit({{"a", 1}}, {{"a", std::nullopt}}), 2u);
  EXPECT_EQ(seen, (std::vector<std::string>{"a=1", "a gone"}));
  EXPECT_FALSE(executor.run(store.get("a"))->has_value());
  EXPECT_EQ(executor.run(store.list(""))->size(), 1u);
}

}  // namespace
}  // namespace cairn::control
