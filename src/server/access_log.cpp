#include "server/access_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <system_error>

#include "base/log.h"
#include "net/http.h"

namespace cairn::server {
namespace {

constexpr auto kFlushInterval = std::chrono::milliseconds(250);

std::string lowered(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  return text;
}

// Of parameters that begin with x-amz- only those are shown that are known to hold no secret.
bool may_be_shown(const std::string& name) {
  static constexpr std::array<std::string_view, 4> kHarmless{
      "x-amz-algorithm", "x-amz-date", "x-amz-expires", "x-amz-signedheaders"};
  for (const auto harmless : kHarmless)
    if (name == harmless) return true;
  return !name.starts_with("x-amz-") && name != "signature" && name != "awsaccesskeyid";
}

void append_string(std::string& out, std::string_view name, std::string_view value) {
  static constexpr char digits[] = "0123456789abcdef";
  out += out.size() > 1 ? ",\"" : "\"";
  out += name;
  out += "\":\"";
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte >= 0x7f) {  // other bytes need not be UTF-8: shown one by one
      out += "\\u00";
      out += digits[byte >> 4];
      out += digits[byte & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

template <class T>
void append_number(std::string& out, std::string_view name, T value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  out += ",\"";
  out += name;
  out += "\":";
  out.append(text, end);
}

std::string time_text(std::int64_t unix_ms) {
  const std::time_t seconds = unix_ms / 1000;
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[40];
  const auto n = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  std::string out(text, n);
  const auto ms = std::to_string(1000 + unix_ms % 1000);
  return out + "." + ms.substr(1) + "Z";
}

int open_file(const std::string& path) {
  return ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
}

}  // namespace

std::string redact_query(std::string_view query) {
  std::string out;
  while (!query.empty()) {
    const auto pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    const auto equals = pair.find('=');
    const auto raw_name = pair.substr(0, equals);
    const auto name = net::percent_decode(raw_name);
    if (!out.empty()) out += '&';
    out += raw_name;
    if (equals == std::string_view::npos) continue;
    out += '=';
    out += name && may_be_shown(lowered(*name)) ? pair.substr(equals + 1) : "-";
  }
  return out;
}

std::string format_access(const AccessRecord& record) {
  std::string out = "{";
  append_string(out, "time", time_text(record.time_ms));
  append_string(out, "peer", record.peer);
  append_string(out, "method", record.method);
  append_string(out, "path", record.path);
  if (!record.query.empty()) append_string(out, "query", redact_query(record.query));
  append_string(out, "operation", record.operation);
  append_number(out, "status", record.status);
  append_number(out, "bytes_in", record.bytes_in);
  append_number(out, "bytes_out", record.bytes_out);
  append_number(out, "duration_us", static_cast<std::int64_t>(record.seconds * 1e6));
  append_string(out, "request_id", record.request_id);
  if (!record.user_agent.empty()) append_string(out, "user_agent", record.user_agent);
  if (!record.complete) out += ",\"cut\":true";
  out += "}\n";
  return out;
}

Result<std::unique_ptr<AccessLog>> AccessLog::open(std::string path) {
  const int fd = path == "-" ? STDERR_FILENO : open_file(path);
  if (fd < 0)
    return Error{Code::io_error, "cannot write the access log " + path + ": " +
                                     std::generic_category().message(errno)};
  return std::unique_ptr<AccessLog>(new AccessLog(std::move(path), fd));
}

AccessLog::AccessLog(std::string path, int fd)
    : path_(std::move(path)), fd_(fd), thread_([this] { run(); }) {}

AccessLog::~AccessLog() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  more_.notify_all();
  thread_.join();
  if (path_ != "-") ::close(fd_);
}

void AccessLog::write(const AccessRecord& record) {
  const std::string line = format_access(record);
  std::lock_guard lock(mutex_);
  if (waiting_.size() + line.size() > kMaxWaiting)
    ++dropped_;
  else
    waiting_ += line;
}

void AccessLog::run() {
  std::string text;
  for (bool last = false; !last;) {
    text.clear();
    {
      std::unique_lock lock(mutex_);
      more_.wait_for(lock, kFlushInterval, [this] { return stop_; });
      last = stop_;
      text.swap(waiting_);
      if (dropped_ > 0)
        text += "{\"dropped\":" + std::to_string(std::exchange(dropped_, 0)) + "}\n";
    }
    if (text.empty()) continue;
    if (path_ != "-") follow_file();
    put(text);
  }
}

void AccessLog::follow_file() {
  struct stat ours{}, named{};
  if (::fstat(fd_, &ours) != 0) return;
  const bool gone = ::stat(path_.c_str(), &named) != 0;
  if (!gone && ours.st_ino == named.st_ino && ours.st_dev == named.st_dev) return;
  const int fresh = open_file(path_);
  if (fresh < 0) return;  // the old one still takes lines
  ::close(fd_);
  fd_ = fresh;
}

void AccessLog::put(std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd_, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      if (!failing_)
        log::warn("the access log cannot be written",
                  {{"path", path_}, {"error", std::generic_category().message(errno)}});
      failing_ = true;
      return;
    }
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  failing_ = false;
}

}  // namespace cairn::server
