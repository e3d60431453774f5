// What the data path (writer, reader, shard repair) is given. It sees the members of a partition
// and nothing of heads and stamps.
//
// Threads: one DataWriter, one open body, one rebuild lives on the executor it was made on; nothing
// in it is shared with another. Work that outlives its caller (a drive call past its deadline) owns
// everything it touches.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "base/error.h"
#include "io/executor.h"
#include "io/memory.h"
#include "model/record.h"
#include "store/members.h"

namespace cairn::store {

struct DataOptions {
  std::uint32_t chunk_bytes = 64 * 1024;
  std::size_t inline_max_bytes = 1024 * 1024;
  // Inline shards of this size and more are opened like those of blobs; smaller ones are gathered.
  std::size_t opened_shard_bytes = drive::kOpenedShardBytes;
  std::size_t write_batch_bytes = 1 << 20;  // data encoded and sent at once
  unsigned write_batches_ahead = 2;         // sent and not yet written, beside the one that fills
  std::size_t read_batch_bytes = 1 << 20;   // data read at once
  unsigned read_batches_ahead = 2;          // being read beside the one handed out
  io::Duration call_deadline = std::chrono::seconds(10);
  // How long a drive may be behind the others before the write goes on without it.
  io::Duration straggler_deadline = std::chrono::milliseconds(500);
  // How long a read may take before another shard is read in its place.
  io::Duration hedge_delay = std::chrono::milliseconds(300);
};

// Whether bodies hold so much of the budget that each should hold less: so hundreds of streams need
// not the memory that a few make good use of.
inline bool is_crowded(const io::MemoryBudget& memory) {
  return memory.used() > memory.limit() / 8;
}

// Told of a shard that is not what it should be: corrupt, not_found, io_error. Called on the
// executor of the read.
using OnDamage = std::function<void(unsigned slot, const model::DataPart& part, bool is_inline,
                                    const Error& error)>;

// One call to a device, counted while it lasts. False: the device is out of service or has too many
// calls hanging.
class DeviceCall {
 public:
  explicit DeviceCall(std::shared_ptr<Device> device)
      : device_(device && device->begin_call() ? std::move(device) : nullptr) {}
  DeviceCall(DeviceCall&&) = default;
  DeviceCall& operator=(DeviceCall&&) = delete;
  ~DeviceCall() {
    if (device_) device_->end_call();
  }
  explicit operator bool() const { return device_ != nullptr; }
  drive::Drive* operator->() const { return device_->drive(); }
  const Device& device() const { return *device_; }

 private:
  std::shared_ptr<Device> device_;
};

}  // namespace cairn::store
