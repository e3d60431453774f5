// Rows of a unit that the leader knows settled but does not keep in memory: read from a drive at
// the same head.
#pragma once

#include <optional>
#include <vector>

#include "store/core.h"
#include "store/decide.h"

namespace cairn::store {

class Loader {
 public:
  explicit Loader(Core& core) : core_(core) {}

  // What decide() looks at; owns the rows that it points to.
  struct Loaded {
    drive::Row latest{}, null_row{}, addressed{};
    std::shared_ptr<const Settled> settled{};  // keeps rows pointed into
    Current current{};
  };
  // The rows that a decision needs. With `for_update` the addressed row carries its table of parts.
  io::Task<Result<std::unique_ptr<Loaded>>> current(View view, model::UnitKey unit,
                                                    std::shared_ptr<const Settled> settled,
                                                    std::optional<model::VersionId> addressed,
                                                    bool for_update);

  // All rows, newest first, with their tables of parts.
  io::Task<Result<std::vector<drive::Row>>> all_rows(View view, model::UnitKey unit,
                                                     std::shared_ptr<const Settled> settled);

  // One drive's answer at exactly this settled head. Drive, partition and epoch of the request are
  // filled in.
  io::Task<Result<drive::ReadReply>> at_head(View view, model::Stamp head,
                                             drive::ReadRequest shape);

 private:
  io::Task<Result<drive::Row>> with_parts(View view, model::UnitKey unit, model::Stamp head,
                                          drive::Row row);

  Core& core_;
};

// The row is of an object in parts and its table is not at hand.
bool lacks_parts(const drive::Row& row);
bool lacks_parts(const drive::Row& row, const model::Record& record);

// Where the data `id` of these rows is described; none: no row names it.
struct NamedData {
  model::DataPart part{};
  bool is_inline = false;
};
std::optional<NamedData> find_data(const std::vector<drive::Row>& rows, const model::ValueId& id);
// All data that a row names.
Result<std::vector<NamedData>> data_of(const drive::Row& row);

}  // namespace cairn::store
