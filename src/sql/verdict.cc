// SPDX-License-Identifier: PostgreSQL
#include "pgweir/sql/verdict.h"

namespace pgweir::sql {

std::string_view name_of(Reason reason) {
    switch (reason) {
        case Reason::None:
            return "read";
        case Reason::Empty:
            return "empty";
        case Reason::NotParsed:
            return "not_parsed";
        case Reason::DataModification:
            return "data_modification";
        case Reason::RowLock:
            return "row_lock";
        case Reason::SelectInto:
            return "select_into";
        case Reason::SchemaChange:
            return "schema_change";
        case Reason::Utility:
            return "utility";
        case Reason::OutsideEffect:
            return "outside_effect";
        case Reason::SessionState:
            return "session_state";
        case Reason::TransactionControl:
            return "transaction_control";
        case Reason::VolatileFunction:
            return "volatile_function";
        case Reason::UnknownFunction:
            return "unknown_function";
        case Reason::LocalFunction:
            return "local_function";
        case Reason::VolatileOperator:
            return "volatile_operator";
        case Reason::UnsafeRelation:
            return "unsafe_relation";
        case Reason::LocalRelation:
            return "local_relation";
        case Reason::UnknownRelation:
            return "unknown_relation";
        case Reason::NoCatalog:
            return "no_catalog";
        case Reason::ServerStatement:
            return "server_statement";
        case Reason::Learned:
            return "learned";
    }
    return "not_parsed";
}

}  // namespace pgweir::sql
