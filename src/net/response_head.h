// The head of a response as bytes. Pure; private to net.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "net/http.h"

namespace cairn::net {

enum class BodyForm : std::uint8_t {
  none,   // nothing follows the head, and no length is stated (204, 304 without one)
  sized,  // Content-Length
  chunked,
  until_close
};

struct HeadFacts {
  std::string_view date{};
  BodyForm form = BodyForm::none;
  std::uint64_t length = 0;  // of form sized
  bool http11 = true;
  bool keep_alive = true;
};

std::string_view reason_of(int status);
// Appends status line, headers and the empty line. Fields that the connection owns (length,
// framing, date) are taken from `facts`, whatever the handler set; a value never brings a line
// break of its own.
void append_response_head(std::string& out, int status, const Headers& headers,
                          const HeadFacts& facts);

}  // namespace cairn::net
