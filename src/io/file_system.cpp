#include "base/log.h"
#include "io/file_posix.h"

namespace cairn::io {

Result<std::unique_ptr<FileSystem>> make_file_system(std::string_view forced, Reactors& reactors,
                                                     BlockingPool& pool) {
  if (forced == "threads") return make_thread_file_system(pool);
  if (forced != "auto" && forced != "io_uring")
    return Error(Code::invalid_argument, "file I/O is one of auto, io_uring and threads, not \"" +
                                             std::string(forced) + "\"");
  auto uring = make_uring_file_system(reactors, pool);
  if (uring || forced == "io_uring") return uring;
  log::info("io_uring is not available; files go through threads",
            {{"reason", uring.error().message}});
  return make_thread_file_system(pool);
}

}  // namespace cairn::io
