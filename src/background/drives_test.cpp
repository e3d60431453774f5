#include "background/drives/drives.h"

#include <gtest/gtest.h>

#include "background/testing/fixture.h"

namespace cairn::background::testing {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

struct FakeSlots : DriveSlots {
  std::vector<std::shared_ptr<FakeDrive>> drives{};
  std::vector<std::string> problem{};                   // of a directory in service
  std::vector<std::shared_ptr<FakeDrive>> returning{};  // what reopen finds
  std::vector<std::size_t> retired{}, adopted{};
  int reopened = 0;
  bool needs_word = false;

  explicit FakeSlots(std::size_t n) : problem(n), returning(n) {
    for (std::size_t i = 0; i < n; ++i)
      drives.push_back(std::make_shared<FakeDrive>(drive_id(static_cast<std::uint8_t>(i))));
  }
  std::size_t count() const override { return drives.size(); }
  Slot slot(std::size_t i) const override { return {"/d" + std::to_string(i), drives[i], ""}; }
  io::Task<Result<void>> check(std::size_t i) override {
    if (problem[i].empty()) co_return Result<void>{};
    co_return Error{Code::not_found, problem[i]};
  }
  void retire(std::size_t i, std::string) override {
    retired.push_back(i);
    drives[i]->out_of_service = true;
  }
  io::Task<Result<std::shared_ptr<drive::Drive>>> reopen(std::size_t i, bool given_up) override {
    ++reopened;
    if (needs_word && !given_up)
      co_return Error{Code::unavailable, "that takes an operator's word"};
    if (!returning[i]) co_return Error{Code::not_found, "nothing there"};
    co_return std::shared_ptr<drive::Drive>(returning[i]);
  }
  io::Task<Result<void>> adopt(std::size_t i, std::shared_ptr<drive::Drive> drive) override {
    adopted.push_back(i);
    drives[i] = std::static_pointer_cast<FakeDrive>(std::move(drive));
    co_return Result<void>{};
  }
};

struct DriveWatchTest : Services {
  FakeSlots slots{4};
  int told = 0;
  DriveWatch watch{store, slots, metrics, [this] { ++told; }};
};

TEST_F(DriveWatchTest, HealthyDrivesAreLeftAlone) {
  watch.start(executor);
  pass(minutes(1));
  stop(watch);
  EXPECT_EQ(slots.reopened, 0);
  EXPECT_TRUE(slots.retired.empty());
  for (const auto& s : watch.status()) EXPECT_TRUE(s.in_service);
}

TEST_F(DriveWatchTest, AVanishedDirectoryIsRetiredAndItsReplacementAttached) {
  watch.start(executor);
  pass(seconds(1));
  slots.problem[2] = "the directory is gone";
  pass(seconds(6));
  EXPECT_TRUE(slots.retired.empty()) << "one look is not enough";
  pass(seconds(20));
  EXPECT_EQ(slots.retired, std::vector<std::size_t>{2});
  EXPECT_FALSE(watch.status()[2].in_service);
  EXPECT_TRUE(store.attached.empty());

  slots.problem[2].clear();
  slots.returning[2] = std::make_shared<FakeDrive>(drive_id(99));
  pass(seconds(30));
  ASSERT_EQ(store.attached.size(), 1u);
  EXPECT_EQ(store.attached[0], (std::pair<std::size_t, model::DriveId>{2, drive_id(99)}));
  EXPECT_EQ(slots.adopted, std::vector<std::size_t>{2});
  EXPECT_EQ(told, 1);
  EXPECT_TRUE(watch.status()[2].in_service);
  EXPECT_EQ(watch.status()[2].attached, 1u);
  stop(watch);
}

TEST_F(DriveWatchTest, ADriveThatFailedIsBroughtBackWithPatience) {
  slots.drives[0]->out_of_service = true;
  slots.returning[0] = std::make_shared<FakeDrive>(drive_id(0));
  watch.start(executor);
  pass(seconds(7));  // two looks
  EXPECT_EQ(slots.reopened, 0);
  pass(seconds(10));
  EXPECT_EQ(store.attached.size(), 1u);
  stop(watch);
}

TEST_F(DriveWatchTest, OnlyAnOperatorsWordReplacesADriveThatTheOthersNeed) {
  struct Replace {
    static io::Task<Result<model::DriveId>> run(DriveWatch* watch, std::size_t index) {
      auto done = co_await watch->replace(index);
      co_return done;
    }
  };
  watch.start(executor);
  pass(seconds(1));
  EXPECT_EQ(executor.run(Replace::run(&watch, 1)).code(), Code::conflict) << "it is in service";
  slots.drives[1]->out_of_service = true;
  slots.needs_word = true;
  slots.returning[1] = std::make_shared<FakeDrive>(drive_id(99));
  pass(minutes(20));
  EXPECT_TRUE(store.attached.empty());
  EXPECT_EQ(watch.status()[1].reason, "that takes an operator's word");
  const auto done = executor.run(Replace::run(&watch, 1));
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(*done, drive_id(99));
  EXPECT_EQ(store.attached.size(), 1u);
  EXPECT_TRUE(watch.status()[1].in_service);
  EXPECT_EQ(told, 1);
  slots.drives[1]->out_of_service = true;
  slots.returning[1].reset();
  EXPECT_EQ(executor.run(Replace::run(&watch, 1)).code(), Code::not_found);
  stop(watch);
  EXPECT_EQ(executor.run(Replace::run(&watch, 1)).code(), Code::unavailable);
}

TEST_F(DriveWatchTest, WhatCannotBeAttachedIsTriedLessAndLessOften) {
  slots.drives[0]->out_of_service = true;
  slots.returning[0] = std::make_shared<FakeDrive>(drive_id(0));
  store.attach_fails = true;
  watch.start(executor);
  pass(std::chrono::hours(1));
  EXPECT_GE(slots.reopened, 10);
  EXPECT_LE(slots.reopened, 25);
  EXPECT_EQ(watch.status()[0].reason, "no fence quorum");
  store.attach_fails = false;
  pass(minutes(6));
  EXPECT_TRUE(watch.status()[0].in_service);
  stop(watch);
}

}  // namespace
}  // namespace cairn::background::testing
