// Taking a term and fencing the members (protocol.md 7.1, 7.2, 8.2).
#pragma once

#include <optional>
#include <vector>

#include "store/core.h"

namespace cairn::store {

// Keys in the control store. The map itself is app's at first and this module's from then on.
inline constexpr const char* kMapKey = "map";
inline constexpr const char* kPreviousMapKey =
    "map/previous";  // the members to be fenced beside the present ones
inline constexpr const char* kFencedKey =
    "map/fenced";  // epoch of the last map whose members were fenced
inline constexpr const char* kReplacedKey =
    "map/replaced";  // the drive that the last change took out
inline constexpr const char* kTermKey = "term";

std::string encode_number(std::uint64_t value);
std::optional<std::uint64_t> decode_number(std::string_view text);

// A change of the map whose members are not known to be fenced yet.
struct MapChange {
  placement::Map previous{};
  // Taken out because an operator put another drive in its place: while it does not answer it
  // counts as fenced (8.2).
  model::DriveId replaced{};
};

// A term above the store's counter and above `floor`, taken by compare-and-swap; never given to
// anyone else. The changes are made in the same transaction, if their conditions hold. `tried`: is
// raised to every number that may have become this process's, also where the outcome is unknown.
io::Task<Result<model::Term>> take_term(control::Store& control, model::Term floor,
                                        model::Term* tried,
                                        std::vector<control::Condition> conditions = {},
                                        std::vector<control::Change> changes = {});

// The drive is a member of some partition.
bool names(const placement::Map& map, model::DriveId drive);

// The store's counter of terms; zero: none was ever taken.
io::Task<Result<model::Term>> last_term(control::Store& control);

// The map as it is stored. No revision: none is.
struct StoredMap {
  placement::Map map{};
  std::uint64_t mod_revision = 0;
};
io::Task<Result<StoredMap>> stored_map(control::Store& control);

// The change that was made to `map` last, if its members are not recorded as fenced (8.2).
io::Task<Result<std::optional<MapChange>>> unfenced_change(control::Store& control,
                                                           placement::Map map);
// Records that the members of `map`, and of the one before it, are fenced. conflict: it is not the
// stored map.
io::Task<Result<void>> record_fenced(control::Store& control, placement::Map map);

// 7.6: an operator says that `lost` is gone for good and names an empty drive in its place, where
// nobody can lead without it. One transaction: the map, and a term that ends whoever leads now.
// conflict: the last change of the map is not fenced yet (8.1). not_found: the map does not name
// it.
io::Task<Result<void>> retire_drive(control::Store& control, model::DriveId lost,
                                    model::DriveId replacement);

// Views of all partitions under `map` and `term`; drives that `devices` lacks are missing members.
// `sources`: former members that still answer.
std::vector<std::shared_ptr<PartitionView>> make_views(
    const placement::Map& map, model::Term term,
    const std::vector<std::shared_ptr<Device>>& devices);

struct Fenced {
  std::optional<model::Term>
      newer{};  // a drive promised this term to another: take a higher one and start again
};
// Collects promises from all drives. Success without `newer`: F members of every partition, and F
// of `previous` if it is given, have synced the promise; links and rebuilding flags of the views
// are set. unavailable: names the drives that did not promise. stale_map: drives promised under a
// newer map (8.5).
io::Task<Result<Fenced>> fence_members(Core& core, const placement::Map& map,
                                       const std::optional<MapChange>& change,
                                       std::vector<std::shared_ptr<PartitionView>>& views,
                                       std::vector<std::shared_ptr<Device>> devices);

// The promise of one drive for all its partitions on a new connection: a drive that came back.
io::Task<Result<drive::PromiseReply>> promise_of(Core& core, const placement::Map& map,
                                                 model::Term term, std::shared_ptr<Device> device,
                                                 std::uint64_t connection,
                                                 const std::optional<MapChange>& change);

}  // namespace cairn::store
