// SPDX-License-Identifier: PostgreSQL
// One line of a script -> the bytes of one message. The words are those of tests/sim/recorded:
//
//   Q sql                  P name|sql|types           B portal|statement|values|formats|results
//   D S name, D P name     C S name, C P name         E portal|rows
//   S  H  X  c             d text (and a line feed)   f reason      p password
//   F a|b (textcat)
// and for what is no proper message, or comes before the login:
//   body T bytes           the right length around any bytes
//   frame T length bytes   a length of one's own choice
//   raw bytes              as they are
//   startup 3.0 name=value …     sslrequest     gssencrequest     cancelrequest bytes
//
// In all of them \xHH is a byte, \n \t \\ \, \| what they say, \h(5) and \w(5) integers of two and
// four bytes, \*(70000 x) and \*(70000*x) a text many times, \- nothing. A value \N is null.
#pragma once

#include <string>
#include <string_view>

namespace pgweir::integration::oracle {

std::string bytes_of(std::string_view words);

}  // namespace pgweir::integration::oracle
