#include "cluster/replacement.h"

#include <ctime>

#include "base/log.h"
#include "cluster/bootstrap.h"
#include "cluster/generations.h"
#include "cluster/retire.h"
#include "drive/format_file.h"

namespace cairn::cluster {

using drive::Probe;

namespace {

std::string rfc3339(std::int64_t unix_ms) {
  const std::time_t seconds = unix_ms / 1000;
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

}  // namespace

drive::LocalDriveOptions with_partitions(drive::LocalDriveOptions options) {
  options.partition_of = [](std::string_view lock_key) {
    return placement::partition_of(lock_key, placement::kDefaultPartitions);
  };
  return options;
}

io::Task<Result<std::shared_ptr<drive::Drive>>> make_drive(drive::World world,
                                                           drive::LocalDriveOptions options,
                                                           drive::Format format, bool missing) {
  format.created = rfc3339(world.clock.unix_ms());
  if (missing) CAIRN_CO_TRY(co_await world.files.make_directory(options.path));
  CAIRN_CO_TRY(co_await drive::format_drive(world.files, options.path, format));
  CAIRN_CO_ASSIGN(auto opened, co_await drive::open_local_drive(world, std::move(options)));
  co_return std::shared_ptr<drive::Drive>(std::move(opened));
}

io::Task<Result<void>> take_back_mount(drive::World world, drive::Format found, std::string path) {
  found.layout_version = drive::kLayoutVersion;  // as the mount left it
  co_return co_await world.files.replace_file(path + "/format.json", drive::encode_format(found));
}

namespace {

// The drive that belongs there, unless it is an old copy of itself.
io::Task<Result<Reopened>> reopen_known(drive::World world, drive::LocalDriveOptions options,
                                        control::Store& control, drive::Format found) {
  const std::string path = options.path;
  CAIRN_CO_ASSIGN(const bool stale, co_await is_stale(control, found));
  if (stale) co_return Error{Code::not_found, stale_reason(path)};
  CAIRN_CO_ASSIGN(auto made, co_await drive::open_local_drive(world, std::move(options)));
  std::shared_ptr<drive::Drive> opened = std::move(made);
  CAIRN_CO_ASSIGN(const bool lost, co_await has_lost_batches(control, opened));
  if (lost) {
    co_await opened->close();
    opened.reset();
    CAIRN_CO_TRY(co_await take_back_mount(world, found, path));
    co_return Error{Code::not_found, stale_reason(path)};
  }
  std::vector<drive::Format> mounted{found};
  co_await remember_mounts(control, std::move(mounted));
  co_return Reopened{std::move(opened), false};
}

// Another drive than expected: of use only if it never was a member.
io::Task<Result<Reopened>> reopen_other(drive::World world, drive::LocalDriveOptions options,
                                        drive::Format found, Vacancy vacancy) {
  const std::string path = options.path;
  const Error refused{Code::not_found, path +
                                           " holds another drive than expected; empty the "
                                           "directory to use it as a replacement"};
  const bool look = vacancy.empty == Vacancy::Empty::wanted ||
                    (vacancy.empty == Vacancy::Empty::taken && !found.drive.is_zero() &&
                     found.drive == vacancy.made);
  if (!look || found.slot != vacancy.slot) co_return refused;
  CAIRN_CO_ASSIGN(auto made, co_await drive::open_local_drive(world, std::move(options)));
  std::shared_ptr<drive::Drive> opened = std::move(made);
  const Result<bool> blank = co_await is_blank(opened);
  if (blank && *blank) co_return Reopened{std::move(opened), true};
  co_await opened->close();
  opened.reset();
  CAIRN_CO_TRY(co_await take_back_mount(world, found, path));
  if (!blank) co_return Error{blank.error()};
  co_return refused;
}

io::Task<Result<Reopened>> fill(drive::World world, drive::LocalDriveOptions options,
                                Vacancy vacancy) {
  const std::string path = options.path;
  if (vacancy.empty == Vacancy::Empty::left)
    co_return Error{Code::unavailable,
                    path + " is empty, and without drive " + vacancy.expected.hex() +
                        " nobody can write. Bring it back if you can. If it is lost for good, "
                        "'cairn admin retire " +
                        vacancy.expected.hex() + "' puts this directory in its place"};
  drive::Format format;
  format.drive = world.random.id<model::DriveId>();
  format.cluster = vacancy.cluster;
  format.slot = vacancy.slot;
  format.drives = vacancy.drives;
  format.profile = vacancy.profile;
  CAIRN_CO_ASSIGN(auto made,
                  co_await make_drive(world, std::move(options), std::move(format), false));
  log::warn("an empty directory stands where a drive was: it is filled as its replacement",
            {{"path", path}});
  co_return Reopened{std::move(made), true};
}

}  // namespace

io::Task<Result<Reopened>> reopen(drive::World world, drive::LocalDriveOptions options,
                                  control::Store& control, Vacancy vacancy) {
  options = with_partitions(std::move(options));
  CAIRN_CO_ASSIGN(const Probe probe, co_await drive::probe(world.files, options.path));
  if (probe.state == Probe::State::empty) {
    auto filled = co_await fill(world, std::move(options), vacancy);
    co_return filled;
  }
  if (probe.state != Probe::State::formatted)
    co_return Error{Code::not_found, options.path + ": " + probe.reason};
  if (probe.format.cluster != vacancy.cluster)
    co_return Error{Code::not_found, options.path + " holds a drive of another cluster"};
  if (probe.format.drive != vacancy.expected) {
    auto other = co_await reopen_other(world, std::move(options), probe.format, vacancy);
    co_return other;
  }
  if (vacancy.empty == Vacancy::Empty::wanted)
    co_return Error{Code::conflict, options.path +
                                        " holds the drive: it is not lost. To give it up all the "
                                        "same, put an empty directory in its place"};
  auto known = co_await reopen_known(world, std::move(options), control, probe.format);
  co_return known;
}

}  // namespace cairn::cluster
