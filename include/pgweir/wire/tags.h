// SPDX-License-Identifier: PostgreSQL
// The first byte of each message, by the names of the PostgreSQL manual ("Message Formats").
#pragma once

#include <string_view>

#include "pgweir/base/bytes.h"

namespace pgweir::wire {

enum class FrontendTag : Byte {
    Bind = 'B',
    Close = 'C',
    CopyData = 'd',
    CopyDone = 'c',
    CopyFail = 'f',
    Describe = 'D',
    Execute = 'E',
    Flush = 'H',
    FunctionCall = 'F',
    Parse = 'P',
    PasswordMessage = 'p',  // Also SASLInitialResponse, SASLResponse and GSSResponse.
    Query = 'Q',
    Sync = 'S',
    Terminate = 'X',
};

enum class BackendTag : Byte {
    Authentication = 'R',
    BackendKeyData = 'K',
    BindComplete = '2',
    CloseComplete = '3',
    CommandComplete = 'C',
    CopyBothResponse = 'W',
    CopyData = 'd',
    CopyDone = 'c',
    CopyInResponse = 'G',
    CopyOutResponse = 'H',
    DataRow = 'D',
    EmptyQueryResponse = 'I',
    ErrorResponse = 'E',
    FunctionCallResponse = 'V',
    NegotiateProtocolVersion = 'v',
    NoData = 'n',
    NoticeResponse = 'N',
    NotificationResponse = 'A',
    ParameterDescription = 't',
    ParameterStatus = 'S',
    ParseComplete = '1',
    PortalSuspended = 's',
    ReadyForQuery = 'Z',
    RowDescription = 'T',
};

// The byte of ReadyForQuery.
enum class TransactionStatus : Byte { Idle = 'I', InTransaction = 'T', Failed = 'E' };

// The manual's name, or an empty view for a byte that names no message.
std::string_view name_of(FrontendTag tag);
std::string_view name_of(BackendTag tag);
std::string_view name_of(TransactionStatus status);

inline bool is_known(FrontendTag tag) {
    return !name_of(tag).empty();
}
inline bool is_known(BackendTag tag) {
    return !name_of(tag).empty();
}

}  // namespace pgweir::wire
