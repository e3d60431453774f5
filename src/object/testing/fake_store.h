// A store in memory that keeps the contract of store/store.h: preconditions and guards decided
// atomically with the mutation, versions, repeated commits, data that goes when nothing names it,
// scans in order. It yields at every call, so that operations interleave, and a test can step in
// between.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "io/world.h"
#include "store/store.h"

namespace cairn::object::testing {

class FakeStore final : public store::Store {
 public:
  explicit FakeStore(io::Clock& clock) : clock_(clock) {}

  io::Task<Result<store::Committed>> commit(store::Commit commit) override;
  io::Task<Result<store::Found>> find(model::UnitKey unit, store::Selector selector) override;
  io::Task<Result<std::unique_ptr<store::DataWriter>>> write(model::UnitKey unit,
                                                             model::ValueId value,
                                                             std::optional<std::uint64_t> size,
                                                             bool blob_only) override;
  io::Task<Result<std::unique_ptr<io::SliceSource>>> open_data(model::UnitKey unit,
                                                               store::Found found,
                                                               std::uint64_t offset,
                                                               std::uint64_t length) override;
  io::Task<Result<store::ScanPage>> scan(store::ScanRequest request) override;
  bool can_read() const override { return true; }
  bool can_write() const override { return true; }
  io::Task<Result<std::vector<store::DriveStatus>>> drives() override;

  // Called once each, before the next such call takes effect; may run other operations. Given an
  // error, that is the call's outcome, and with `commit_took_effect` the outcome is there
  // nevertheless.
  using Hook = std::function<io::Task<std::optional<Error>>()>;
  Hook before_commit{}, before_open{};
  bool commit_took_effect = false;
  std::optional<Error> next_find{}, next_scan{};

  std::size_t buffer_bytes = 7;       // of a writer
  std::size_t inline_limit = 16;      // of an object
  bool short_of_memory = false;
  std::size_t max_page_units = 5000;  // of a scan, whatever is asked for

  // What there is.
  std::size_t units(model::UnitKind kind) const;
  std::size_t datas() const { return data_.size(); }
  // What was done.
  std::size_t commits = 0, scans = 0, scanned_units = 0, writers = 0;

 private:
  std::size_t grouped_ = 0;
  struct Row {
    model::Stamp order{}, stamp{};
    model::Record record{};
    std::vector<model::DataPart> parts{};
  };
  using Rows = std::vector<Row>;  // newest first
  class Writer;

  Result<store::Committed> apply(store::Commit& commit);
  Result<store::Committed> put(Rows& rows, store::Commit& commit, store::PutVersion& put);
  Result<store::Committed> remove(Rows& rows, const store::RemoveVersion& remove);
  Result<store::Committed> update(Rows& rows, const store::Commit& commit,
                                  const store::UpdateVersion& update);
  Result<void> check(const Rows& rows, const store::Precondition& wanted) const;
  void forget_unnamed_data();
  static drive::Row encode(const Row& row);

  io::Clock& clock_;
  std::map<std::string, Rows> units_;
  std::map<model::ValueId, std::string> data_;
  std::set<model::ValueId> staged_;  // written, and not committed yet
  std::uint64_t sequence_ = 0;
};

}  // namespace cairn::object::testing
