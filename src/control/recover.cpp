// Why this is safe (docs/format/control.md has the long form). Q is the majority of D directories.
//   - An epoch is promised by Q directories before any snapshot of it exists; whoever reads Q
//   directories later sees
//     the promise and takes a higher one. So an epoch has one writer, and logs of one epoch are
//     prefixes of each other.
//   - An epoch serves only after Q directories hold its first snapshot. So of any Q directories one
//   has the last serving
//     epoch, and one has every commit acknowledged in it: the longest log of the highest epoch
//     holds them all.
//   - Only full directories count: an empty replacement has nothing to say about what was
//   acknowledged.
//   - Where an operator declared one lost, D - Q + 1 full ones do: they have one in common with any
//   Q. Writing takes Q all the same, the empty one in the lost one's place among them: whoever
//   finds the lost one again has no Q without a directory that saw the new epoch, if no other is
//   lost.
#include "control/recover.h"

#include "base/log.h"
#include "control/format.h"
#include "control/gather.h"

namespace cairn::control {
namespace {

using Directories = std::vector<std::shared_ptr<Directory>>;

constexpr Patience kPatience{.enough = SIZE_MAX, .deadline = std::chrono::seconds(30)};

// Coroutines that keep their directory alive.
io::Task<Result<Loaded>> load_of(std::shared_ptr<Directory> directory) {
  co_return co_await directory->load();
}
io::Task<Result<void>> promise_of(std::shared_ptr<Directory> directory, std::uint64_t epoch) {
  co_return co_await directory->promise(epoch);
}
io::Task<Result<void>> install_of(std::shared_ptr<Directory> directory,
                                  std::shared_ptr<const std::string> snapshot, std::uint64_t epoch,
                                  std::uint64_t revision) {
  co_return co_await directory->install(std::move(snapshot), epoch, revision);
}

std::size_t count(const Directories& directories) {
  return static_cast<std::size_t>(
      std::count_if(directories.begin(), directories.end(), [](const auto& d) { return !!d; }));
}

// Takes directories whose operation failed out of `all`.
template <class T>
void keep_good(const std::vector<std::optional<Result<T>>>& results,
               const std::vector<std::size_t>& positions, Recovered& all) {
  for (std::size_t i = 0; i < results.size(); ++i) {
    const auto& result = results[i];
    if (result && *result) continue;
    const std::size_t at = positions[i];
    if (!result) all.hung[at] = all.directories[at];
    all.reasons[at] = result ? result->error().message : "it does not answer";
    log::warn("a directory of the control store cannot be used",
              {{"path", all.directories[at]->path()}, {"reason", all.reasons[at]}});
    all.directories[at].reset();
  }
}

std::vector<std::size_t> positions_of(const Directories& directories) {
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < directories.size(); ++i)
    if (directories[i]) out.push_back(i);
  return out;
}

Error too_few(std::size_t needed, const char* what, const Recovered& all) {
  std::string text = "the control store needs " + std::to_string(needed) + " of " +
                     std::to_string(all.reasons.size()) + " drives " + what + ";";
  for (std::size_t i = 0; i < all.reasons.size(); ++i)
    if (!all.reasons[i].empty())
      text += " drive " + std::to_string(i) + ": " + all.reasons[i] + ";";
  text.pop_back();
  return Error{Code::unavailable, std::move(text)};
}

// A new store: every directory is there, and none can have seen a commit. (A creation that was
// interrupted leaves directories full at revision 0 beside others that only promised, or are
// untouched.)
bool is_creation(const std::vector<Loaded>& loaded, std::size_t directories) {
  if (loaded.size() != directories) return false;
  std::size_t full = 0, begun = 0;
  for (const auto& l : loaded) {
    if (l.full && l.state.revision != 0) return false;
    full += l.full ? 1 : 0;
    begun += l.promised != 0 ? 1 : 0;
  }
  return full == 0 || begun >= majority_of(directories);
}

// Reads all directories and decides what the state is.
io::Task<Result<void>> read_all(const RecoveryInput* input, Recovered* all) {
  const auto positions = positions_of(all->directories);
  std::vector<io::Task<Result<Loaded>>> tasks;
  for (const auto at : positions) tasks.push_back(load_of(all->directories[at]));
  auto results = co_await gather(std::move(tasks), kPatience);
  keep_good(results, positions, *all);
  std::vector<Loaded> loaded;
  for (auto& result : results)
    if (result && *result) loaded.push_back(std::move(**result));
  std::size_t full = 0;
  const Loaded* newest = nullptr;
  for (const auto& l : loaded) {
    all->epoch = std::max(all->epoch, l.promised);
    if (!l.full) continue;
    ++full;
    if (newest == nullptr ||
        std::pair(l.epoch, l.state.revision) > std::pair(newest->epoch, newest->state.revision))
      newest = &l;
  }
  const std::size_t directories = all->directories.size();
  const std::size_t needed =
      input->loss == Loss::one_for_good ? blocking_of(directories) : majority_of(directories);
  const bool creation = input->may_create && is_creation(loaded, directories);
  if (full < needed && !creation) {
    for (std::size_t i = 0, n = 0; i < positions.size(); ++i) {
      if (!all->directories[positions[i]]) continue;
      if (!loaded[n++].full) all->reasons[positions[i]] = "it is empty";
    }
    co_return too_few(needed, "with their state", *all);
  }
  if (newest != nullptr) all->state = newest->state;
  if (all->state.revision < input->revision_min)
    co_return Error{Code::corrupt,
                    "the control store's drives hold an older state than was acknowledged"};
  co_return Result<void>{};
}

io::Task<void> promise_all(Recovered* all) {
  const auto positions = positions_of(all->directories);
  std::vector<io::Task<Result<void>>> tasks;
  for (const auto at : positions) tasks.push_back(promise_of(all->directories[at], all->epoch));
  const auto results = co_await gather(std::move(tasks), kPatience);
  keep_good(results, positions, *all);
}

io::Task<void> install_all(Recovered* all) {
  const auto positions = positions_of(all->directories);
  const auto snapshot =
      std::make_shared<const std::string>(format::encode_snapshot(all->epoch, all->state));
  std::vector<io::Task<Result<void>>> tasks;
  for (const auto at : positions)
    tasks.push_back(install_of(all->directories[at], snapshot, all->epoch, all->state.revision));
  const auto results = co_await gather(std::move(tasks), kPatience);
  keep_good(results, positions, *all);
}

}  // namespace

io::Task<Result<void>> recover(io::FileSystem& files, RecoveryInput input, Recovered* out) {
  Recovered& all = *out;
  const std::size_t majority = majority_of(input.paths.size());
  all.reasons = input.reasons;
  all.reasons.resize(input.paths.size());
  all.hung.resize(input.paths.size());
  for (std::size_t i = 0; i < input.paths.size(); ++i) {
    const std::string& path = input.paths[i];
    all.directories.push_back(path.empty() ? nullptr : std::make_shared<Directory>(files, path));
    if (path.empty() && all.reasons[i].empty()) all.reasons[i] = "it is missing";
  }
  if (count(all.directories) < majority) co_return too_few(majority, "to be there", all);
  CAIRN_CO_TRY(co_await read_all(&input, &all));
  // Nothing was written so far. First a majority learns of the epoch, then it gets the state.
  ++all.epoch;
  co_await promise_all(&all);
  if (count(all.directories) < majority) co_return too_few(majority, "to be writable", all);
  co_await install_all(&all);
  if (count(all.directories) < majority) co_return too_few(majority, "to be writable", all);
  co_return Result<void>{};
}

}  // namespace cairn::control
