// The access log: one JSON object a line for every request. Written by a thread of its own, so that
// a slow disk delays no request; what it cannot keep up with is dropped and counted in the log
// itself.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "base/error.h"

namespace cairn::server {

struct AccessRecord {
  std::int64_t time_ms = 0;  // when the request's head had arrived
  std::string_view peer{}, method{}, path{}, query{}, operation{}, request_id{}, user_agent{};
  int status = 0;
  std::uint64_t bytes_in = 0, bytes_out = 0;
  double seconds = 0;
  bool complete = true;  // the response went out whole
};

// The query as it may be shown: values of signatures, credentials, tokens and keys are replaced by
// "-".
std::string redact_query(std::string_view query);
// The line, with its line feed.
std::string format_access(const AccessRecord& record);

class AccessLog {
 public:
  // Appends to `path` ("-": standard error), made with mode 0640. A file that was moved away is
  // opened anew.
  static Result<std::unique_ptr<AccessLog>> open(std::string path);
  ~AccessLog();  // writes what is left
  AccessLog(const AccessLog&) = delete;
  AccessLog& operator=(const AccessLog&) = delete;

  void write(const AccessRecord& record);  // thread-safe

 private:
  static constexpr std::size_t kMaxWaiting = 8 * 1024 * 1024;
  AccessLog(std::string path, int fd);
  void run();
  void follow_file();
  void put(std::string_view text);

  const std::string path_;
  int fd_;                // of the thread
  bool failing_ = false;  // of the thread
  std::mutex mutex_;
  std::condition_variable more_;
  std::string waiting_;  // guarded by mutex_, as the next two
  std::uint64_t dropped_ = 0;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace cairn::server
