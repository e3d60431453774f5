// A partition of drives in memory and what the data path needs around it.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "erasure/erasure.h"
#include "store/data_reader.h"
#include "store/data_writer.h"
#include "store/testing/data_drive.h"
#include "store/testing/virtual_executor.h"

namespace cairn::store::testing {

inline std::string random_bytes(std::size_t size, std::uint64_t seed = 1) {
  std::mt19937_64 generator(seed * 7919 + size);
  std::string out(size, '\0');
  for (std::size_t i = 0; i < size; i += 8) {
    const std::uint64_t v = generator();
    std::memcpy(out.data() + i, &v, std::min<std::size_t>(8, size - i));
  }
  return out;
}

inline model::ValueId value_id(std::uint8_t n) {
  model::ValueId id;
  id.bytes.fill(n);
  return id;
}

struct Cell {
  explicit Cell(model::ErasureProfile profile) {
    auto v = std::make_shared<PartitionView>();
    v->profile = profile;
    v->n = profile.drives();
    v->k = profile.data;
    v->w = profile.write_quorum();
    v->r = profile.read_quorum();
    v->f = profile.fence_quorum();
    for (unsigned slot = 0; slot < v->n; ++slot) {
      drives.push_back(std::make_shared<DataDrive>(static_cast<std::uint8_t>(slot + 1)));
      Member m;
      m.slot = slot;
      m.id = drives.back()->id();
      m.device = std::make_shared<Device>(m.id, "", drives.back(), "");
      m.link = std::make_shared<Link>();
      v->members.push_back(m);
    }
    view = v;
    options.inline_max_bytes = 128 * 1024;
    options.write_batch_bytes = 256 * 1024;
    options.read_batch_bytes = 256 * 1024;
  }
  ~Cell() { executor.drain(); }

  WriteContext writing() { return {*memory, options, view}; }
  ReadContext reading() {
    return {*memory, options, view,
            [this](unsigned slot, const model::DataPart&, bool, const Error& e) {
              damage.emplace_back(slot, e.code);
            }};
  }

  static io::Task<Result<PutVersion>> put_task(WriteContext context, model::UnitKey unit,
                                               model::ValueId value, std::string data, bool known,
                                               std::size_t step) {
    auto made = make_data_writer(context, unit, value,
                                 known ? std::optional<std::uint64_t>(data.size()) : std::nullopt);
    if (!made) co_return Error{std::move(made.error())};
    std::size_t at = 0;
    while (at < data.size()) {
      CAIRN_CO_ASSIGN(io::MutableBytes room, co_await (*made)->buffer());
      if (room.empty()) co_return Error{Code::internal, "no room and no error"};
      const std::size_t n = std::min({room.size(), data.size() - at, step});
      // In two pieces, or as one.
      const std::size_t first = at % 3 == 0 ? n / 3 : n;
      std::memcpy(room.data(), data.data() + at, first);
      (*made)->arrived(first);
      std::memcpy(room.data() + first, data.data() + at + first, n - first);
      CAIRN_CO_TRY(co_await (*made)->advance(n));
      at += n;
    }
    PutVersion put;
    CAIRN_CO_TRY(co_await (*made)->finish(put));
    co_return put;
  }
  Result<PutVersion> put(const std::string& data, bool known = true, std::size_t step = SIZE_MAX,
                         model::ValueId value = value_id(1)) {
    return executor.run(put_task(writing(), model::UnitKey::object(model::BucketId{1}, "key"),
                                 value, data, known, step));
  }
  Result<PutVersion> put_part(const std::string& data, model::ValueId value) {
    const auto unit = model::UnitKey::part(model::BucketId{1}, "key", model::UploadId{}, 1);
    return executor.run(put_task(writing(), unit, value, data, true, SIZE_MAX));
  }

  // What a reader finds; inline shards go to the drives, as a commit would bring them there.
  Found commit(const PutVersion& put) {
    Found found;
    found.record = put.record;
    for (std::size_t i = 0; i < put.inline_shards.size(); ++i)
      drives[i]->inlined[put.inline_shards[i].data_id] =
          std::string(io::as_text(io::joined(put.inline_shards[i].pieces).bytes));
    return found;
  }

  static io::Task<Result<std::string>> read_task(ReadContext context, Found found,
                                                 std::uint64_t offset, std::uint64_t length) {
    CAIRN_CO_ASSIGN(auto source,
                    co_await open_data(std::move(context), std::move(found), offset, length));
    std::string out;
    for (;;) {
      CAIRN_CO_ASSIGN(io::Slices slices, co_await source->next());
      if (slices.empty()) co_return out;
      for (const io::Slice& s : slices) out += io::as_text(s.bytes);
    }
  }
  Result<std::string> read(const Found& found, std::uint64_t offset, std::uint64_t length) {
    return executor.run(read_task(reading(), found, offset, length));
  }
  Result<std::string> read(const Found& found) { return read(found, 0, found.record.size); }

  VirtualExecutor executor;
  std::vector<std::shared_ptr<DataDrive>> drives;
  std::shared_ptr<const PartitionView> view;
  DataOptions options;
  std::unique_ptr<io::MemoryBudget> memory =
      io::make_memory_budget(256u << 20, std::chrono::seconds(1));
  std::vector<std::pair<unsigned, Code>> damage;
};

inline const model::ErasureProfile kProfiles[] = {{1, 0}, {1, 1}, {1, 2}, {2, 1}, {2, 2},
                                                  {3, 2}, {4, 2}, {5, 3}, {8, 4}, {12, 4}};

}  // namespace cairn::store::testing
