// SPDX-License-Identifier: PostgreSQL
#include "pgweir/route/router.h"

namespace pgweir::route {

std::string_view words(Reason reason) {
    switch (reason) {
        case Reason::Write:
            return "only the primary writes";
        case Reason::PrimaryHint:
            return "the primary was asked for";
        case Reason::PrimaryLevel:
            return "consistency is primary";
        case Reason::Read:
            return "a read: a standby that is fresh enough";
        case Reason::NoStandby:
            return "no standby is eligible";
        case Reason::NotFresh:
            return "no standby has replayed far enough";
        case Reason::NoSample:
            return "how far a standby would have to be is not known yet";
        case Reason::SharedPrimary:
            return "the primary is one of the readers";
        case Reason::Blind:
            return "nodes are not observed: the first one serves everything";
        case Reason::NoPrimary:
            return "no node is the primary for now";
        case Reason::NoNode:
            return "there is no node";
        case Reason::LostHistory:
            return "what the session has seen may not be part of the cluster's history";
    }
    return "";
}

}  // namespace pgweir::route
