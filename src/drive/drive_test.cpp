// The rules of protocol.md that one drive keeps, message by message.
#include <gmock/gmock.h>

#include <random>

#include "drive/testing/drive_fixture.h"

namespace cairn::drive {
namespace {

using testing::kEpoch;
using testing::kPartition;
using testing::make_row;
using testing::RowOptions;
using testing::rows_of;
using testing::unit_of;
using testing::value_of;
using Kind = model::Record::DataKind;

class DriveTest : public testing::DriveFixture {
 protected:
  io::Task<Result<Refusal>> ask_to_forget(model::UnitKey unit, Stamp stamp) {
    std::vector<SettleRequest> one;
    one.push_back({fence(), std::move(unit), stamp, true});
    CAIRN_CO_ASSIGN(auto replies, co_await drive->settle_all(std::move(one)));
    co_return std::move(replies.at(0));
  }
  void settle_and_forget(const model::UnitKey& unit, Stamp stamp) {
    const auto reply = executor.run(ask_to_forget(unit, stamp));
    ASSERT_TRUE(reply) << reply.error().message;
    EXPECT_EQ(*reply, Refusal::none);
  }
};

TEST_F(DriveTest, KnowsNothingOfAnUnknownUnit) {
  const ReadReply reply = read(a);
  EXPECT_FALSE(reply.head);
  EXPECT_FALSE(reply.settled);
  EXPECT_FALSE(reply.rebuilding);
  EXPECT_TRUE(reply.rows.empty());
  EXPECT_FALSE(inspect(a).settled_head);
}

TEST_F(DriveTest, APutIsPendingUntilItIsSettled) {
  const Stamp s = next();
  EXPECT_TRUE(accept(whole(a, s, {make_row(s, s)})).held());
  ReadReply reply = read(a);
  EXPECT_EQ(reply.head, s);
  EXPECT_FALSE(reply.settled);
  ASSERT_EQ(reply.rows.size(), 1u);
  UnitState state = inspect(a);
  EXPECT_FALSE(state.settled_head);
  EXPECT_TRUE(state.rows.empty());
  ASSERT_EQ(state.pendings.size(), 1u);
  EXPECT_EQ(state.pendings[0].mutation.stamp, s);

  settle(a, s);
  reply = read(a);
  EXPECT_EQ(reply.head, s);
  EXPECT_TRUE(reply.settled);
  state = inspect(a);
  EXPECT_EQ(state.settled_head, s);
  EXPECT_EQ(state.rows.size(), 1u);
  EXPECT_TRUE(state.pendings.empty());
  EXPECT_TRUE(keys(Family::pending).empty());
  // A unit of one row needs no head row: its only key is the row's.
  EXPECT_EQ(keys(Family::records).size(), 1u);
}

TEST_F(DriveTest, SettlingAnotherStampIsIgnored) {
  const Stamp s = next();
  accept(whole(a, s, {make_row(s, s)}));
  EXPECT_EQ(settle(a, {1, 999}), Refusal::none);
  EXPECT_FALSE(read(a).settled);
}

TEST_F(DriveTest, AStampThatIsNotAboveTheHeadIsRefused) {
  const Stamp s1 = next(), s2 = next();
  accept(whole(a, s2, {make_row(s2, s2)}));
  auto reply = mutate(whole(a, s1, {make_row(s1, s1)}));
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->refusal, Refusal::stale_stamp);
  EXPECT_EQ(reply->head, s2);
}

TEST_F(DriveTest, ARepeatedMutationIsAnsweredAgain) {
  const Stamp s = next();
  const auto m = whole(a, s, {make_row(s, s)});
  EXPECT_TRUE(accept(m).held());
  EXPECT_TRUE(accept(m).held());
  settle(a, s);
  EXPECT_TRUE(accept(m).held());
  EXPECT_TRUE(read(a).settled);
}

TEST_F(DriveTest, OneStampNeverNamesTwoValues) {
  const Stamp s = next();
  accept(whole(a, s, {make_row(s, s)}));
  auto other = whole(a, s, {make_row(s, s)});
  other->value = value_of(77);
  EXPECT_FALSE(mutate(other));
}

TEST_F(DriveTest, AChangeOnABaseThatIsNotHeldIsRefused) {
  settled_put(a);
  const Stamp missed = next(), s = next();
  auto reply = mutate(change(a, s, {version(s)}, {}, missed));
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->refusal, Refusal::no_base);
  EXPECT_EQ(refusal(change(a, s, {version(s)}, {}, std::nullopt)), Refusal::no_base);
  // With all rows it is taken.
  EXPECT_EQ(refusal(whole(a, s, {version(s)}, missed)), Refusal::none);
}

TEST_F(DriveTest, AChangeMarksItsBaseSettled) {
  const Stamp s1 = next(), s2 = next();
  accept(whole(a, s1, {version(s1)}));
  accept(change(a, s2, {version(s2)}, {}, s1));
  const UnitState state = inspect(a);
  EXPECT_EQ(state.settled_head, s1);
  ASSERT_EQ(state.pendings.size(), 1u);
  EXPECT_EQ(state.pendings[0].mutation.base, s1);
  EXPECT_EQ(read(a).row_count, 2u);
}

TEST_F(DriveTest, VersionsAreReadNewestFirstAndOneByOne) {
  const Stamp s1 = next(), s2 = next(), s3 = next();
  accept(whole(a, s1, {version(s1)}));
  accept(change(a, s2, {version(s2)}, {}, s1));
  accept(change(a, s3, {make_row(s3, s3)}, {}, s2));
  settle(a, s3);
  ReadReply all = read(a);
  ASSERT_EQ(all.rows.size(), 3u);
  EXPECT_EQ(all.rows[0].order, s3);
  EXPECT_EQ(all.rows[2].order, s1);
  ASSERT_TRUE(all.null_row);
  EXPECT_EQ(all.null_row->order, s3);

  ReadRequest request;
  request.drive = id;
  request.partition = kPartition;
  request.map_epoch = kEpoch;
  request.unit = a;
  request.select = Select::version;
  request.version = model::VersionId::of(s2);
  auto one = executor.run(drive->read(request));
  ASSERT_TRUE(one);
  ASSERT_EQ(one->rows.size(), 1u);
  EXPECT_EQ(one->rows[0].order, s2);
  EXPECT_FALSE(one->latest_is_selected);
  EXPECT_EQ(one->row_count, 3u);
  request.version = model::VersionId::null_version();
  one = executor.run(drive->read(request));
  ASSERT_TRUE(one);
  ASSERT_EQ(one->rows.size(), 1u);
  EXPECT_EQ(one->rows[0].order, s3);
  EXPECT_TRUE(one->latest_is_selected);
}

// protocol.md 2.2: purging must not lower the head.
TEST_F(DriveTest, PurgingAVersionMovesTheHeadUp) {
  const Stamp s1 = next(), s2 = next(), s3 = next();
  accept(whole(a, s1, {version(s1)}));
  accept(change(a, s2, {version(s2)}, {}, s1));
  accept(whole(a, s3, {version(s1)}, s2));
  settle(a, s3);
  const ReadReply reply = read(a);
  EXPECT_EQ(reply.head, s3);
  EXPECT_TRUE(reply.settled);
  ASSERT_EQ(reply.rows.size(), 1u);
  EXPECT_EQ(reply.rows[0].stamp, s1);
}

TEST_F(DriveTest, AUnitWithoutVersionsKeepsItsHeadUntilItIsForgotten) {
  settled_put(a);
  const Stamp s2 = next();
  accept(whole(a, s2, {}));
  settle(a, s2);
  EXPECT_EQ(read(a).head, s2);
  EXPECT_EQ(read(a).row_count, 0u);
  auto wrong = executor.run(drive->forget(fence(), a, Stamp{1, 1}));
  ASSERT_TRUE(wrong);
  EXPECT_EQ(*wrong, Refusal::stale_stamp);
  auto forgotten = executor.run(drive->forget(fence(), a, s2));
  ASSERT_TRUE(forgotten);
  EXPECT_EQ(*forgotten, Refusal::none);
  EXPECT_FALSE(read(a).head);
  EXPECT_TRUE(keys(Family::records).empty());
}

TEST_F(DriveTest, AnEmptiedUnitIsForgottenAsItIsSettled) {
  settled_put(a);
  const Stamp s2 = next();
  accept(whole(a, s2, {}));
  settle_and_forget(a, s2);
  EXPECT_FALSE(read(a).head);
  EXPECT_FALSE(inspect(a).settled_head);
  EXPECT_TRUE(inspect(a).pendings.empty());
  for (const Family family : {Family::records, Family::inline_data, Family::logged, Family::refs})
    EXPECT_TRUE(keys(family).empty());
  settle_and_forget(a, s2);  // again: nothing to do
  // Not synced yet, it is as if it had not been said.
  crash_losing_all();
  EXPECT_EQ(read(a).head, s2);
  EXPECT_EQ(read(a).row_count, 0u);
  settle_and_forget(a, s2);
  EXPECT_FALSE(read(a).head);
  // What came before it, and was settled on its own, goes as well.
  const Stamp s3 = next(), s4 = next();
  accept(whole(a, s3, {make_row(s3, s3)}));
  accept(whole(a, s4, {}));
  settle(a, s4);
  settle_and_forget(a, s4);
  EXPECT_FALSE(read(a).head);
  EXPECT_TRUE(keys(Family::records).empty());
}

TEST_F(DriveTest, WithSomethingNewerAnEmptiedUnitIsSettledOnly) {
  settled_put(a);
  const Stamp s2 = next(), s3 = next();
  accept(whole(a, s2, {}));
  accept(whole(a, s3, {make_row(s3, s3)}));
  settle_and_forget(a, s2);
  EXPECT_EQ(inspect(a).settled_head, s2);
  EXPECT_EQ(read(a).head, s3);
  ASSERT_EQ(inspect(a).pendings.size(), 1u);
  // No leader forgets what holds something.
  EXPECT_FALSE(executor.run(ask_to_forget(a, s3)));
  EXPECT_EQ(read(a).row_count, 1u);
}

TEST_F(DriveTest, AUnitWithVersionsOrPendingsIsNotForgotten) {
  const Stamp s1 = settled_put(a);
  auto reply = executor.run(drive->forget(fence(), a, s1));
  ASSERT_TRUE(reply);
  EXPECT_EQ(*reply, Refusal::stale_stamp);
  const Stamp s2 = next(), s3 = next();
  accept(whole(a, s2, {}));
  settle(a, s2);
  accept(whole(a, s3, {make_row(s3, s3)}));
  reply = executor.run(drive->forget(fence(), a, s2));
  ASSERT_TRUE(reply);
  EXPECT_EQ(*reply, Refusal::stale_stamp);
}

// protocol.md 2.3.
TEST_F(DriveTest, AllPendingsAreKeptUpToSixteenValuesAndEveryRestamp) {
  std::vector<Stamp> stamps;
  for (std::size_t i = 0; i < 16; ++i) {
    stamps.push_back(next());
    accept(whole(a, stamps.back(), {make_row(stamps.back(), stamps.back())}));
  }
  EXPECT_EQ(inspect(a).pendings.size(), 16u);
  const Stamp more = next();
  EXPECT_EQ(refusal(whole(a, more, {make_row(more, more)})), Refusal::too_many_pending);
  const Stamp again = next();
  auto restamp = whole(a, again, {make_row(stamps[0], stamps[0])});
  restamp->value = value_of(stamps[0].term << 32 | stamps[0].sequence);
  EXPECT_EQ(refusal(restamp), Refusal::none);
  EXPECT_EQ(inspect(a).pendings.size(), 17u);
  settle(a, again);
  EXPECT_TRUE(inspect(a).pendings.empty());
  EXPECT_EQ(keys(Family::records).size(), 2u);  // the row, and the head that is not its stamp
}

// protocol.md 6.2.
// What came before a promise that wipes does not land behind the wipe.
TEST_F(DriveTest, APromiseThatWipesSharesItsBatchWithNothing) {
  const Stamp s = next();
  accept(whole(a, s, {}));
  struct Local {
    static io::Task<void> settle(Drive* d, std::vector<SettleRequest> requests) {
      const auto replies = co_await d->settle_all(std::move(requests));
      EXPECT_TRUE(replies);
    }
  };
  io::spawn(executor, Local::settle(drive.get(), {{fence(), a, s}}));
  executor.run(io::sleep_for(std::chrono::milliseconds(1)));  // it waits for company
  since = model::MapEpoch{2};
  promise(term + 1);
  executor.run_until_idle();
  EXPECT_TRUE(keys(Family::records).empty());
  EXPECT_EQ(inspect(a).settled_head, std::nullopt);
}

TEST_F(DriveTest, TheSettledStateIsInstalledBeneathNewerPendings) {
  const Stamp s1 = next(), s2 = next();
  accept(whole(a, s2, {make_row(s2, s2)}));
  InstallRequest request{fence(), 0, a, s1, {make_row(s1, s1)}, {}};
  auto reply = executor.run(drive->install(request));
  ASSERT_TRUE(reply);
  EXPECT_TRUE(reply->held());
  const UnitState state = inspect(a);
  EXPECT_EQ(state.settled_head, s1);
  ASSERT_EQ(state.rows.size(), 1u);
  ASSERT_EQ(state.pendings.size(), 1u);
  EXPECT_EQ(state.pendings[0].mutation.stamp, s2);
  EXPECT_EQ(read(a).head, s2);
}

TEST_F(DriveTest, AnOlderStateIsNotInstalled) {
  const Stamp s0 = next();
  settled_put(a);
  InstallRequest request{fence(), 0, a, s0, {make_row(s0, s0)}, {}};
  auto reply = executor.run(drive->install(request));
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->refusal, Refusal::stale_stamp);
}

TEST_F(DriveTest, AMessageThatWouldTakeAPendingsBaseAwayChangesNothing) {
  const Stamp s1 = next(), s2 = next(), s3 = next();
  accept(whole(a, s1, {version(s1)}));
  settle(a, s1);
  accept(whole(a, s2, {version(s1), version(s2)}));
  accept(change(a, s3, {version(s3)}, {}, s1));
  EXPECT_FALSE(executor.run(drive->settle(fence(), a, s2)));
  const UnitState state = inspect(a);
  EXPECT_EQ(state.settled_head, s1);
  EXPECT_EQ(state.pendings.size(), 2u);
}

// -- fences (3.4, 7.3)

TEST_F(DriveTest, MessagesToAnotherDriveAreRefused) {
  const Stamp s = next();
  MutateRequest request{fence(), 0, whole(a, s, {make_row(s, s)}), {}};
  request.fence.drive.bytes[0] = 66;
  auto reply = executor.run(drive->mutate(request));
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->refusal, Refusal::wrong_drive);
}

TEST_F(DriveTest, AnOlderTermIsRefusedAndANewerOneIsPromised) {
  promise(5);
  const Stamp s = next();
  term = 4;
  auto reply = mutate(whole(a, s, {make_row(s, s)}));
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->refusal, Refusal::stale_term);
  EXPECT_EQ(reply->promised, model::Term{5});
  term = 6;
  EXPECT_EQ(refusal(whole(a, s, {make_row(s, s)})), Refusal::none);
  auto state = executor.run(drive->partition_state(kPartition));
  ASSERT_TRUE(state);
  EXPECT_EQ(state->promised, model::Term{6});
  crash_losing_all();
  state = executor.run(drive->partition_state(kPartition));
  ASSERT_TRUE(state);
  EXPECT_EQ(state->promised, model::Term{6});
}

TEST_F(DriveTest, AnOlderConnectionOfTheTermIsCutOff) {
  connection = 7;
  const Stamp s1 = next(), s2 = next();
  accept(whole(a, s1, {make_row(s1, s1)}));
  connection = 6;
  EXPECT_EQ(refusal(whole(a, s2, {make_row(s2, s2)})), Refusal::cut_off);
  EXPECT_EQ(settle(a, s1), Refusal::cut_off);
  auto inspected = executor.run(drive->inspect(fence(), a, false));
  ASSERT_TRUE(inspected);
  EXPECT_EQ(inspected->first, Refusal::cut_off);
}

TEST_F(DriveTest, APromiseToAnotherProcessUnderTheSameTermIsRefused) {
  EXPECT_EQ(promise(3, 11).refusal, Refusal::none);
  EXPECT_EQ(promise(3, 11).refusal, Refusal::none);
  const PromiseReply other = promise(3, 12);
  EXPECT_EQ(other.refusal, Refusal::stale_term);
  ASSERT_EQ(other.states.size(), 1u);
  EXPECT_EQ(other.states[0].leader, 11u);
  EXPECT_EQ(promise(2, 12).refusal, Refusal::stale_term);
}

TEST_F(DriveTest, APromiseSurvivesLosingEverythingUnsynced) {
  promise(9, 4);
  crash_losing_all();
  auto state = executor.run(drive->partition_state(kPartition));
  ASSERT_TRUE(state);
  EXPECT_EQ(state->promised, model::Term{9});
  EXPECT_EQ(state->leader, 4u);
  EXPECT_EQ(state->map_entry, "entry");
}

// protocol.md 4.2.
TEST_F(DriveTest, AReaderWithAnOlderMapIsRefused) {
  PromiseRequest request;
  request.drive = id;
  request.term = model::Term{2};
  request.leader = 1;
  request.connection = 1;
  request.map_epoch = model::MapEpoch{4};
  request.entries.push_back({kPartition, kEpoch, "newer"});
  ASSERT_TRUE(executor.run(drive->promise(request)));
  const ReadReply reply = read(a);
  EXPECT_EQ(reply.refusal, Refusal::stale_map);
  EXPECT_EQ(reply.map_epoch, model::MapEpoch{4});
  ScanRequest scan;
  scan.drive = id;
  scan.map_epoch = kEpoch;
  auto scanned = executor.run(drive->scan(scan));
  ASSERT_TRUE(scanned);
  EXPECT_EQ(scanned->refusal, Refusal::stale_map);
  // And a leader with it, too.
  const Stamp s = next();
  EXPECT_EQ(refusal(whole(a, s, {make_row(s, s)})), Refusal::stale_map);
}

TEST_F(DriveTest, APartitionNeverPromisedCountsForNothing) {
  ReadRequest request;
  request.drive = id;
  request.partition = model::PartitionId{99};
  request.map_epoch = kEpoch;
  request.unit = a;
  auto reply = executor.run(drive->read(request));
  ASSERT_TRUE(reply);
  EXPECT_TRUE(reply->rebuilding);
}

// protocol.md 8.1, 8.3, 8.4.
TEST_F(DriveTest, JoiningAgainWipesThePartitionAndRebuildsIt) {
  settled_put(a);
  const Stamp p = next();
  accept(whole(unit_of("b"), p, {make_row(p, p)}));
  ASSERT_TRUE(executor.run(drive->repair_add({a})));
  since = model::MapEpoch{5};
  EXPECT_EQ(promise(2).refusal, Refusal::none);
  EXPECT_FALSE(read(a).head);
  EXPECT_TRUE(read(a).rebuilding);
  EXPECT_TRUE(keys(Family::records).empty());
  EXPECT_TRUE(keys(Family::pending).empty());
  EXPECT_TRUE(keys(Family::repair).empty());
  crash_losing_all();
  EXPECT_TRUE(read(a).rebuilding);
  promise(3);
  auto rebuilt = executor.run(drive->mark_rebuilt(fence()));
  ASSERT_TRUE(rebuilt);
  EXPECT_EQ(*rebuilt, Refusal::none);
  EXPECT_FALSE(read(a).rebuilding);
}

TEST_F(DriveTest, AWipeCutShortIsFinishedAtTheNextMount) {
  for (int i = 0; i < 5; ++i) settled_put(unit_of("k" + std::to_string(i)));
  since = model::MapEpoch{5};
  disk.fail_after(1);  // the note that the wipe is under way is the last write that works
  PromiseRequest request;
  request.drive = id;
  request.term = model::Term{2};
  request.leader = 1;
  request.connection = 1;
  request.map_epoch = kEpoch;
  request.entries.push_back({kPartition, since, "entry"});
  EXPECT_FALSE(executor.run(drive->promise(request)));
  EXPECT_TRUE(drive->failed());
  crash_losing_all();
  EXPECT_TRUE(keys(Family::records).empty());
  EXPECT_TRUE(read(a).rebuilding);
}

// -- group commit

TEST_F(DriveTest, ManyCommitsShareOneSync) {
  const auto before = disk.syncs();
  std::vector<io::Task<Result<MutateReply>>> tasks;
  for (int i = 0; i < 50; ++i) {
    const Stamp s = next();
    tasks.push_back(
        drive->mutate({fence(), 0, whole(unit_of(std::to_string(i)), s, {make_row(s, s)}), {}}));
  }
  auto replies = executor.run(io::when_all(std::move(tasks)));
  for (const auto& reply : replies) {
    ASSERT_TRUE(reply);
    EXPECT_TRUE(reply->held());
  }
  EXPECT_LE(disk.syncs() - before, 50u / 2);
}

TEST_F(DriveTest, SeveralMessagesForOneUnitKeepTheirOrder) {
  executor.run_until_idle();
  std::vector<io::Task<Result<MutateReply>>> tasks;
  std::vector<Stamp> stamps;
  for (int i = 0; i < 8; ++i) stamps.push_back(next());
  for (const Stamp& s : stamps)
    tasks.push_back(drive->mutate({fence(), 0, whole(a, s, {make_row(s, s)}), {}}));
  auto replies = executor.run(io::when_all(std::move(tasks)));
  // Whatever order they came in, what is held is what was acknowledged.
  std::vector<Stamp> held;
  for (std::size_t i = 0; i < replies.size(); ++i) {
    ASSERT_TRUE(replies[i]);
    if (replies[i]->held()) held.push_back(stamps[i]);
  }
  std::vector<Stamp> found;
  for (const auto& pending : inspect(a).pendings) found.push_back(pending.mutation.stamp);
  EXPECT_THAT(found, ::testing::UnorderedElementsAreArray(held));
  EXPECT_EQ(found.front(), stamps.back());
}

TEST_F(DriveTest, ASettleIsSyncedSoonWithoutFurtherWrites) {
  const Stamp s = next();
  accept(whole(a, s, {make_row(s, s)}));
  const auto before = disk.syncs();
  settle(a, s);
  EXPECT_EQ(disk.syncs(), before);
  executor.run_for(std::chrono::seconds(1));
  EXPECT_EQ(disk.syncs(), before + 1);
  crash_losing_all();
  EXPECT_TRUE(read(a).settled);
}

TEST_F(DriveTest, LosingASettleLosesOnlyTheFlag) {
  const Stamp s = next();
  accept(whole(a, s, {make_row(s, s)}));
  settle(a, s);
  crash_losing_all();
  EXPECT_EQ(read(a).head, s);
  EXPECT_FALSE(read(a).settled);
  EXPECT_EQ(inspect(a).pendings.size(), 1u);
}

TEST_F(DriveTest, AFailedSyncEndsTheDrive) {
  const Stamp s1 = settled_put(a);
  disk.fail_after(0);
  const Stamp s2 = next();
  auto reply = mutate(whole(a, s2, {make_row(s2, s2)}));
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.code(), Code::drive_failed);
  EXPECT_TRUE(drive->failed());
  disk.fail_after(-1);
  EXPECT_FALSE(mutate(whole(a, next(), {})));
  EXPECT_FALSE(executor.run(drive->read_inline(value_of(1))));
  EXPECT_FALSE(executor.run(drive->stats()));
  crash_losing_all();
  EXPECT_EQ(read(a).head, s1);
}

TEST_F(DriveTest, AClosedDriveTakesNoMoreCalls) {
  const Stamp s = next();
  accept(whole(a, s, {make_row(s, s)}));
  settle(a, s);
  executor.run(drive->close());
  EXPECT_FALSE(mutate(whole(a, next(), {})));
  drive.reset();
  disk.crash_losing_all();
  mount();
  EXPECT_TRUE(read(a).settled) << "what was queued is synced by close()";
}

}  // namespace
}  // namespace cairn::drive
