// SPDX-License-Identifier: PostgreSQL
#include "pgweir/session/unit.h"

#include <algorithm>
#include <array>

#include "pgweir/wire/frontend_messages.h"
#include "session/words.h"

namespace pgweir::session {

namespace {

constexpr std::size_t kHeaderBytes = 5;

// The size of the message at the front; 0 if it is not there whole.
std::size_t whole_message(ByteView bytes) {
    if (bytes.size() < kHeaderBytes) return 0;
    const std::uint32_t length = load_u32(bytes.data() + 1);
    if (length < 4 || length >= bytes.size()) return 0;
    return 1 + std::size_t{length};
}

ByteView body_of(ByteView message) {
    return message.subspan(kHeaderBytes);
}

// What PostgreSQL would run of a Query's body: up to the first zero byte.
std::string_view text_of(ByteView body) {
    const std::string_view text = as_text(body);
    return text.substr(0, text.find('\0'));
}

sql::Classifier::Question question(std::string_view text, const UnitContext& context) {
    return {
        .text = text,
        .catalog = context.rules.catalog.get(),
        .standard_conforming_strings = context.parameters.text_rules().standard_conforming_strings,
        .is_ascii_transparent = context.parameters.text_rules().is_ascii_transparent};
}

bool is_read_only_begin(const sql::Verdict& verdict, const UnitContext& context) {
    if (verdict.transaction != sql::TransactionStep::Begin || verdict.is_serializable) return false;
    if (verdict.access != sql::TransactionAccess::Unsaid) {
        return verdict.access == sql::TransactionAccess::ReadOnly;
    }
    return context.parameters.text_rules().default_read_only;
}

bool is_control(const sql::Verdict& verdict) {
    return verdict.transaction != sql::TransactionStep::None;
}

// What one statement that is executed adds to the facts of its unit.
void add(const sql::Verdict& verdict, std::string_view text, const UnitContext& context,
         UnitFacts& facts) {
    using Step = sql::TransactionStep;
    const Step step = verdict.transaction;
    facts.has_begin |= step == Step::Begin || verdict.may_change_transaction;
    facts.has_end |= step == Step::Commit || step == Step::Rollback || step == Step::Other ||
                     verdict.may_change_transaction;
    facts.ends |= step == Step::Commit || step == Step::Rollback;
    facts.leaves_state |= leaves_state(verdict, text, context);
    facts.may_change_schema |= verdict.may_change_schema;
}

// The rest of a Bind, behind its names: no values, and at most one format for them.
bool brings_nothing(ByteView rest) {
    if (rest.size() < 2) return false;
    const std::size_t formats = load_u16(rest.data());
    std::size_t at = 2 + 2 * formats;
    if (formats > 1 || rest.size() < at + 4 || load_u16(rest.data() + at) != 0) return false;
    at += 2;
    return rest.size() == at + 2 + 2 * std::size_t{load_u16(rest.data() + at)};
}

// Names that a batch defines, as far as a few of them go; a batch with more of them is not judged.
template <typename Value>
class BatchNames {
 public:
    bool put(std::string_view name, const Value& value) {
        if (Value* known = find(name)) {
            *known = value;
            return true;
        }
        if (count_ == entries_.size()) return false;
        entries_[count_++] = {name, value};
        return true;
    }
    Value* find(std::string_view name) {
        for (std::size_t i = 0; i < count_; ++i) {
            if (entries_[i].name == name) return &entries_[i].value;
        }
        return nullptr;
    }

 private:
    struct Entry {
        std::string_view name;
        Value value;
    };
    std::array<Entry, 8> entries_{};
    std::size_t count_ = 0;
};

// One statement as a batch knows it.
struct Known {
    sql::Verdict verdict;
    std::string_view text;
};

class BatchJudge {
 public:
    explicit BatchJudge(const UnitContext& context) : context_(context) {}

    Unit judge(ByteView bytes) {
        std::size_t at = 0;
        for (;;) {
            const std::size_t size = whole_message(bytes.subspan(at));
            if (size == 0) return unit_;  // Not whole.
            const Byte tag = bytes[at];
            look(tag, body_of(bytes.subspan(at, size)));
            at += size;
            if (tag == 'S') break;
        }
        unit_.facts.is_whole = true;
        unit_.facts.bytes = static_cast<std::uint32_t>(at);
        conclude();
        return unit_;
    }

 private:
    void look(Byte tag, ByteView body) {
        switch (tag) {
            case 'P':
                return parse(body);
            case 'B':
                return bind(body);
            case 'E':
                return execute(body);
            case 'D':
            case 'C':
            case 'H':
            case 'S':
                return;
            default:
                // A Query or FunctionCall inside of a batch, COPY data: whatever it comes to.
                is_strange_ = true;
        }
    }

    void parse(ByteView body) {
        const auto message = wire::read_parse(body);
        if (!message) {
            is_strange_ = true;
            return;
        }
        const Known known{judge_text(message->text, context_), message->text};
        if (!statements_.put(message->statement, known)) is_strange_ = true;
        parsed_ = known;
        ++parsed_count_;
        // What is only prepared says where it will run.
        note_hints(known.verdict.hints);
    }

    void bind(ByteView body) {
        const auto head = wire::read_bind_head(body, body.size());
        if (!head) {
            is_strange_ = true;
            return;
        }
        // Whether it is wrong, and what a named portal of it may do later, the server says.
        is_plain_ =
            is_plain_ && head->portal.empty() && brings_nothing(body.subspan(head->rest_at));
        const std::optional<Known> known = statement(head->statement);
        if (!known || !portals_.put(head->portal, *known)) is_strange_ = true;
    }

    std::optional<Known> statement(std::string_view name) {
        if (const Known* known = statements_.find(name)) return *known;
        StatementRef found = context_.unnamed;
        if (!name.empty()) {
            found =
                context_.statements != nullptr ? context_.statements->find(name) : StatementRef();
        }
        if (!found || found->is_opaque()) return std::nullopt;
        return Known{verdict_of(*found.get(), context_), found->text()};
    }

    void execute(ByteView body) {
        const auto message = wire::read_execute(body);
        const Known* known = message ? portals_.find(message->portal) : nullptr;
        if (known == nullptr) {
            is_strange_ = true;
            return;
        }
        ++executed_count_;
        executed_ = *known;
        calls_own_function_ = calls_own_function_ || known->verdict.calls_own_function;
        run(*known);
    }

    void note_hints(const sql::Hints& hints) {
        if (hints == sql::Hints{}) return;
        if (has_hints_ && !(hints == unit_.hints)) unit_.hints.is_wrong = true;
        if (!has_hints_) unit_.hints = hints;
        has_hints_ = true;
    }

    void run(const Known& known) {
        if (executed_count_ == 1) is_read_only_block_ = is_read_only_begin(known.verdict, context_);
        if (is_control(known.verdict)) {
            controls_ = true;
        } else if (!known.verdict.is_read && writes_because_ == sql::Reason::None) {
            writes_because_ = known.verdict.reason;
        }
        add(known.verdict, known.text, context_, unit_.facts);
        note_hints(known.verdict.hints);
    }

    void conclude() {
        UnitFacts& facts = unit_.facts;
        if (is_strange_) return;
        if (executed_count_ == 0) {
            // Statements that are only prepared are so where they will run, if that is clear.
            facts.is_read = parsed_count_ == 0 || (parsed_count_ == 1 && parsed_.verdict.is_read);
            facts.only_reads = facts.may_repeat = true;
            unit_.reason = facts.is_read ? sql::Reason::None : parsed_.verdict.reason;
            return;
        }
        facts.only_reads = writes_because_ == sql::Reason::None && !controls_;
        facts.may_repeat = facts.only_reads && !calls_own_function_;
        facts.is_read = writes_because_ == sql::Reason::None && (!controls_ || is_read_only_block_);
        unit_.reason = writes_because_;
        if (!facts.is_read && writes_because_ == sql::Reason::None) {
            unit_.reason = sql::Reason::TransactionControl;
        }
        if (executed_count_ != 1 || parsed_count_ > 1) return;
        if (is_plain_) unit_.step = executed_.verdict.transaction;
        unit_.access = executed_.verdict.access;
        unit_.is_serializable = executed_.verdict.is_serializable;
        unit_.own = executed_.verdict.own;
        unit_.text = executed_.text;
    }

    const UnitContext& context_;
    Unit unit_;
    BatchNames<Known> statements_;
    BatchNames<Known> portals_;
    Known parsed_;
    Known executed_;
    std::size_t parsed_count_ = 0;
    std::size_t executed_count_ = 0;
    sql::Reason writes_because_ = sql::Reason::None;
    bool has_hints_ = false;
    bool calls_own_function_ = false;
    bool controls_ = false;  // Begins, ends or changes a transaction.
    bool is_read_only_block_ = false;
    bool is_strange_ = false;
    bool is_plain_ = true;  // No Bind brings values or a portal's name.
};

Unit judge_query(ByteView bytes, const UnitContext& context) {
    Unit unit;
    const std::size_t size = whole_message(bytes);
    if (size == 0) return unit;
    unit.text = text_of(body_of(bytes.first(size)));
    const sql::Verdict verdict = judge_text(unit.text, context);
    unit.facts = {.bytes = static_cast<std::uint32_t>(size),
                  .is_whole = true,
                  .is_read = verdict.is_read,
                  .only_reads = verdict.is_read,
                  .may_repeat = verdict.is_read && !verdict.calls_own_function};
    add(verdict, unit.text, context, unit.facts);
    unit.reason = verdict.reason;
    unit.hints = verdict.hints;
    unit.step = verdict.transaction;
    unit.access = verdict.access;
    unit.is_serializable = verdict.is_serializable;
    unit.own = verdict.own;
    return unit;
}

}  // namespace

sql::Verdict judge_text(std::string_view text, const UnitContext& context) {
    return context.rules.judge->classifier.classify(question(text, context));
}

const sql::Verdict& verdict_of(const Statement& statement, const UnitContext& context) {
    const std::uint64_t generation =
        context.rules.catalog != nullptr ? context.rules.catalog->generation() : 0;
    const TextRules& rules = context.parameters.text_rules();
    const Statement::Judged stamp{generation, context.rules.judge->epoch,
                                  rules.standard_conforming_strings, rules.is_ascii_transparent};
    if (!(statement.judged() == stamp)) {
        statement.judge(stamp, judge_text(statement.text(), context));
    }
    return statement.verdict();
}

bool leaves_state(const sql::Verdict& verdict, std::string_view text, const UnitContext& context) {
    if (!verdict.leaves_state) return false;
    if (!verdict.is_plain_set) return true;
    // SET [SESSION] name …, RESET name
    next_word(text);
    std::string name = next_word(text);
    if (name == "session") name = next_word(text);
    if (name == "time") name = "timezone";  // SET TIME ZONE
    if (name == "names") name = "client_encoding";
    const Parameter* known = context.parameters.find(name);
    return known == nullptr || !known->is_reported;
}

Unit judge_unit(ByteView bytes, const UnitContext& context) {
    if (bytes[0] == 'Q') return judge_query(bytes, context);
    if (bytes[0] == 'F') {
        Unit unit;
        unit.reason = sql::Reason::Utility;
        unit.facts.leaves_state = true;  // The function may be anything.
        return unit;
    }
    return BatchJudge(context).judge(bytes);
}

}  // namespace pgweir::session
