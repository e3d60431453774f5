#include "base/log.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <atomic>
#include <chrono>
#include <memory>

#include "base/log_format.h"

namespace cairn::log {
namespace {

struct State {
  std::shared_ptr<spdlog::logger> logger;
  std::atomic<Level> level{Level::info};
  bool json = false;
};

std::shared_ptr<spdlog::logger> make_logger(spdlog::sink_ptr sink) {
  auto logger = std::make_shared<spdlog::logger>("cairn", std::move(sink));
  // The line is formatted here, whole; the sink only writes it, in one piece.
  logger->set_pattern("%v");
  logger->set_level(spdlog::level::trace);
  logger->flush_on(spdlog::level::trace);
  // What cannot be logged is lost; an exception must not reach the code that logs.
  logger->set_error_handler([](const std::string&) {});
  return logger;
}

State& state() {
  static State* const s = [] {
    auto* fresh = new State;  // never freed: threads may log until the very end
    fresh->logger = make_logger(std::make_shared<spdlog::sinks::stderr_sink_mt>());
    return fresh;
  }();
  return *s;
}

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::debug:
      return spdlog::level::debug;
    case Level::info:
      return spdlog::level::info;
    case Level::warn:
      return spdlog::level::warn;
    case Level::error:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

}  // namespace

void configure(const Options& options) {
  State& s = state();
  s.level = options.level;
  s.json = options.json;
  if (options.file.empty()) {
    s.logger = make_logger(std::make_shared<spdlog::sinks::stderr_sink_mt>());
    return;
  }
  try {
    s.logger = make_logger(std::make_shared<spdlog::sinks::basic_file_sink_mt>(options.file));
  } catch (const std::exception& e) {
    error("the log file cannot be opened; logging to standard error",
          {{"file", options.file}, {"reason", e.what()}});
  }
}

bool enabled(Level level) {
  return level >= state().level.load(std::memory_order_relaxed);
}

void write(Level level, std::string_view message, std::initializer_list<Field> fields) {
  if (!enabled(level)) return;
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  State& s = state();
  const std::string line =
      s.json ? format_json(ms, level, message, fields) : format_text(ms, level, message, fields);
  s.logger->log(to_spdlog(level), spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace cairn::log
