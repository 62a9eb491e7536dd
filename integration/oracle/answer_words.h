// SPDX-License-Identifier: PostgreSQL
// A message that was heard -> one line that says all of it, but for what can't be equal:
//
//   rule "keys"          BackendKeyData: process and key; only the key's length stays
//   rule "notifier"      NotificationResponse: the process
//   rule "created oids"  OIDs of what a test created (from 16384 on) read <oid>
//
// What else may differ is a matter of whole conversations (comparison.h).
#pragma once

#include <string>

#include "messages.h"

namespace pgweir::integration::oracle {

std::string line_of(const Message& message);

}  // namespace pgweir::integration::oracle
