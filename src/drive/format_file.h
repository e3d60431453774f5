// format.json: what a drive is. Text, so that a person can read it in an emergency; its own
// checksum, so that a damaged one is noticed (docs/format/drive.md).
#pragma once

#include <string>
#include <string_view>

#include "drive/local_drive.h"

namespace cairn::drive {

std::string encode_format(const Format& format);
Result<Format> decode_format(std::string_view text);  // corrupt, saying what is wrong

}  // namespace cairn::drive
