// Reading a unit: its settled rows, its pendings, and its state as of the head. One consistent
// Reader and the pendings that belong to it are given; layout.h has the invariants.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "drive/index.h"
#include "drive/layout.h"

namespace cairn::drive {

class UnitView {
 public:
  // What is known of the unit before the index is read.
  struct Known {
    std::shared_ptr<const Pendings> pendings{};     // never null
    std::shared_ptr<const SettledState> settled{};  // null: to be read
    Cursor* records =
        nullptr;  // over records by unit, of the same reader; null: the view makes one
  };
  // `reader` and `known.records` outlive the view; one view at a time uses the cursor.
  static Result<UnitView> load(Reader& reader, std::string unit, Known known);
  static Result<UnitView> load(Reader& reader, std::string unit,
                               std::shared_ptr<const Pendings> pendings) {
    return load(reader, std::move(unit), Known{std::move(pendings)});
  }

  const std::string& unit() const { return unit_; }
  const SettledState& settled() const { return settled_; }
  const Pendings& pendings() const { return *pendings_; }
  const Pending* newest() const { return pendings_->empty() ? nullptr : pendings_->front().get(); }
  std::optional<Stamp> head() const;  // of the newest pending, else the settled one
  Summary summary() const;            // as of head

  // Rows newest first until `visit` returns false. Views are valid during the call only.
  using Visit = std::function<bool(const RowInfo& info, std::string_view record)>;
  Result<void> settled_rows(const Visit& visit);
  Result<void> rows(const Visit& visit);  // as of head
  // All settled rows without their records: often known without reading.
  Result<void> settled_infos(const std::function<void(const RowInfo& info)>& visit);

  bool is_settled_row(const RowId& id, bool exists) const;
  // The settled row of a version, or nothing.
  Result<std::optional<RowInfo>> settled_version(const Stamp& order);
  // As of head: the row of a version.
  Result<std::optional<Row>> version(const model::VersionId& version);
  // A row that is known to be there; corrupt if it is not.
  Result<Row> row(const RowId& id);
  Result<bool> has_row(const RowId& id);

 private:
  UnitView(Reader& reader, std::string unit, Known known);
  bool is_fresh(const RowId& id) const;  // belongs to pendings alone (L1)
  Result<void> load_settled();
  Cursor& cursor();
  // Decodes where the cursor stands: nothing at the end of the unit.
  struct At {
    RowInfo info;
    std::string_view record;
  };
  Result<std::optional<At>> at_cursor();

  Reader* reader_;
  std::string unit_;
  std::shared_ptr<const Pendings> pendings_;
  std::vector<RowId> fresh_;  // sorted
  SettledState settled_;
  Cursor* cursor_ = nullptr;
  std::unique_ptr<Cursor> own_cursor_;
};

// Data ids that a row names, each as the blob or inline shard names of this drive would be: for
// reporting and removing.
Result<std::vector<model::ValueId>> part_ids(Reader& reader, const model::ValueId& table);

}  // namespace cairn::drive
