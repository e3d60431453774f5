#include "app/credentials.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <system_error>

namespace cairn::app {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

std::string random_text(io::Random& random, std::size_t length, std::size_t letters) {
  std::string text;
  while (text.size() < length) {
    const std::uint64_t bits = random.next_u64();
    const auto index = static_cast<std::size_t>(bits & 63);
    if (index < letters) text += kAlphabet[index];  // rejection keeps it uniform
  }
  return text;
}

std::string errno_text() {
  return std::generic_category().message(errno);
}

Result<void> write_new(const std::string& file, const std::string& text) {
  std::error_code ignored;
  std::filesystem::create_directories(std::filesystem::path(file).parent_path(), ignored);
  const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0)
    return Error{Code::io_error, "cannot write the credentials file " + file + ": " + errno_text()};
  const bool written = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
                       ::fsync(fd) == 0;
  const std::string why = written ? "" : errno_text();
  ::close(fd);
  if (written) return {};
  ::unlink(file.c_str());
  return Error{Code::io_error, "cannot write the credentials file " + file + ": " + why};
}

std::string trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(" \t\r") - first + 1));
}

Result<RootCredentials> read_file(const std::string& file) {
  struct stat info{};
  if (::stat(file.c_str(), &info) != 0)
    return Error{Code::io_error,
                 "cannot look at the credentials file " + file + ": " + errno_text()};
  if ((info.st_mode & 077) != 0)
    return Error{Code::invalid_argument,
                 "others can read the credentials file " + file + "; run: chmod 600 " + file};
  std::ifstream in(file);
  RootCredentials found;
  for (std::string line; std::getline(in, line);) {
    const auto equals = line.find('=');
    if (equals == std::string::npos) continue;
    const std::string name = trimmed(std::string_view(line).substr(0, equals));
    const std::string value = trimmed(std::string_view(line).substr(equals + 1));
    if (name == "aws_access_key_id") found.access_key = value;
    if (name == "aws_secret_access_key") found.secret = value;
  }
  if (found.access_key.empty() || found.secret.empty())
    return Error{Code::invalid_argument, "the credentials file " + file +
                                             " lacks aws_access_key_id or aws_secret_access_key"};
  found.source = file;
  return found;
}

}  // namespace

Result<RootCredentials> root_credentials(const std::string& user, const std::string& password,
                                         const std::string& file, io::Random& random) {
  if (user.empty() != password.empty())
    return Error{Code::invalid_argument,
                 "set both CAIRN_ROOT_USER and CAIRN_ROOT_PASSWORD, or neither"};
  if (!user.empty()) {
    if (user.size() < 3 || user.find_first_of("/= \t\r\n,") != std::string::npos)
      return Error{Code::invalid_argument,
                   "CAIRN_ROOT_USER needs at least 3 characters and none of '/', '=', ',', space"};
    if (password.size() < 8)
      return Error{Code::invalid_argument, "CAIRN_ROOT_PASSWORD needs at least 8 characters"};
    return RootCredentials{user, password, "the environment", false};
  }
  if (::access(file.c_str(), F_OK) == 0) return read_file(file);
  RootCredentials made;
  made.access_key = random_text(random, 20, 26);
  made.secret = random_text(random, 40, kAlphabet.size());
  made.source = file;
  made.generated = true;
  CAIRN_TRY(write_new(file, "[default]\naws_access_key_id = " + made.access_key +
                                "\naws_secret_access_key = " + made.secret + "\n"));
  return made;
}

}  // namespace cairn::app
