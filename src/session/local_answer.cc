// SPDX-License-Identifier: PostgreSQL
#include "pgweir/session/local_answer.h"

#include <array>

#include "pgweir/wire/backend_messages.h"
#include "pgweir/wire/frontend_messages.h"

namespace pgweir::session {

namespace {

constexpr std::size_t kHeaderBytes = 5;

class Answerer {
 public:
    Answerer(const LocalAnswer& answer, Bytes& out) : answer_(answer), out_(out) {}

    void message(Byte tag, ByteView body) {
        if (skips_ && tag != 'S') return;
        switch (tag) {
            case 'Q':
                if (answer_.error) {
                    wire::append(out_, *answer_.error);
                } else {
                    if (!answer_.column.empty()) describe();
                    complete();
                }
                return wire::ready_for_query(out_, answer_.status);
            case 'P':
                if (answer_.error) return fail();
                return wire::parse_complete(out_);
            case 'B':
                if (answer_.error) return fail();
                return wire::bind_complete(out_);
            case 'D': {
                const auto target = wire::read_describe(body);
                if (target && target->kind == wire::TargetKind::Statement) {
                    wire::parameter_description(out_, {});
                }
                return describe();
            }
            case 'E':
                if (answer_.error) return fail();
                return complete();
            case 'C':
                return wire::close_complete(out_);
            case 'S':
                return wire::ready_for_query(out_, answer_.status);
            default:
                return;
        }
    }

 private:
    void describe() {
        if (answer_.column.empty()) return wire::no_data(out_);
        const std::array columns = {
            wire::ColumnDescription{.name = answer_.column, .type_oid = wire::kTextOid}};
        wire::row_description(out_, columns);
    }
    void complete() {
        if (!answer_.column.empty()) {
            const std::array<std::optional<std::string>, 1> values = {answer_.value};
            wire::data_row(out_, values);
        }
        wire::command_complete(out_, answer_.tag);
    }
    void fail() {
        wire::append(out_, *answer_.error);
        skips_ = true;
    }

    const LocalAnswer& answer_;
    Bytes& out_;
    bool skips_ = false;
};

}  // namespace

void answer_unit(ByteView unit, const LocalAnswer& answer, Bytes& out) {
    Answerer answerer(answer, out);
    while (unit.size() >= kHeaderBytes) {
        const std::size_t size = 1 + std::size_t{load_u32(unit.data() + 1)};
        answerer.message(unit[0], unit.subspan(kHeaderBytes, size - kHeaderBytes));
        unit = unit.subspan(size);
    }
}

}  // namespace pgweir::session
