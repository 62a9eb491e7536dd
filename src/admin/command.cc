// SPDX-License-Identifier: PostgreSQL
#include "pgweir/admin/command.h"

#include <algorithm>
#include <numeric>
#include <span>
#include <utility>

#include "admin/command_table.h"
#include "admin/scanner.h"

namespace pgweir::admin {
namespace {

using wire::Refusal;
using wire::RefusalReason;
using Tokens = std::vector<Token>;

// What an error repeats of the query.
constexpr std::size_t kQuotedMax = 64;
constexpr std::size_t kWordsMax = 8;

char upper(char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}

bool equals_ignoring_case(std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](char x, char y) { return upper(x) == upper(y); });
}

std::string_view take_word(std::string_view& words) {
    const std::size_t end = std::min(words.find(' '), words.size());
    const std::string_view word = words.substr(0, end);
    words.remove_prefix(std::min(end + 1, words.size()));
    return word;
}

// How many tokens the words of a command cover; 0 if the statement does not begin with them.
std::size_t tokens_matched(std::string_view words, const Tokens& tokens) {
    std::size_t matched = 0;
    while (!words.empty()) {
        const std::string_view word = take_word(words);
        if (matched == tokens.size() || tokens[matched].kind == Token::Kind::Quoted) return 0;
        if (!equals_ignoring_case(tokens[matched].text, word)) return 0;
        ++matched;
    }
    return matched;
}

// The longest command that the statement begins with.
const CommandSpec* find_command(const Tokens& tokens, std::size_t& matched) {
    const CommandSpec* found = nullptr;
    matched = 0;
    for (const CommandSpec& spec : command_table()) {
        const std::size_t n = tokens_matched(spec.words, tokens);
        if (n > matched) {
            matched = n;
            found = &spec;
        }
    }
    return found;
}

std::string in_capitals(std::span<const Token> tokens) {
    std::string text;
    for (const Token& token : tokens) {
        if (!text.empty()) text += ' ';
        text += token.text;
        if (text.size() > kQuotedMax) break;
    }
    std::transform(text.begin(), text.end(), text.begin(), upper);
    return text.substr(0, kQuotedMax);
}

// As typed, one blank between tokens, short, on one line.
std::string repeated(const Tokens& tokens) {
    std::string text;
    for (const Token& token : tokens) {
        if (!text.empty()) text += ' ';
        text += token.text;
        if (text.size() > kQuotedMax) break;
    }
    if (text.size() > kQuotedMax) {
        std::size_t end = kQuotedMax;
        // Not in the middle of a UTF-8 character.
        while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
        text = text.substr(0, end) + "...";
    }
    for (char& c : text) {
        if (static_cast<unsigned char>(c) < ' ' || c == '\x7F') c = '?';
    }
    return text;
}

// Levenshtein's distance, where the exchange of two neighbours is one step.
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> before(b.size() + 1);
    std::vector<std::size_t> row(b.size() + 1);
    std::vector<std::size_t> next(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i) {
        next[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            next[j] = std::min(
                {row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] == b[j - 1] ? 0U : 1U)});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                next[j] = std::min(next[j], before[j - 2] + 1);
            }
        }
        std::swap(before, row);
        std::swap(row, next);
    }
    return row[b.size()];
}

// The listed command nearest to what was typed; empty if none is near.
std::string nearest_command(const Tokens& tokens) {
    std::string_view nearest;
    std::size_t nearest_distance = 0;
    for (const CommandSpec& spec : command_table()) {
        if (spec.help.empty()) continue;
        // What follows the words may be a database.
        const auto words =
            static_cast<std::size_t>(std::count(spec.words.begin(), spec.words.end(), ' ') + 1);
        const std::size_t compared = spec.argument == Argument::None ? tokens.size() : words;
        const std::string typed =
            in_capitals(std::span(tokens).first(std::min(compared, tokens.size())));
        const std::size_t d = distance(typed, spec.words);
        if (d > std::max<std::size_t>(2, spec.words.size() / 3)) continue;
        if (nearest.empty() || d < nearest_distance) {
            nearest = spec.words;
            nearest_distance = d;
        }
    }
    return std::string(nearest);
}

Refusal unknown(const Tokens& tokens) {
    return {.reason = RefusalReason::ConsoleUnknownCommand,
            .subject = repeated(tokens),
            .value = nearest_command(tokens)};
}

// "db1.example:5432", quoted or not.
std::optional<std::string> node_of(std::span<const Token> rest) {
    std::string node;
    for (const Token& token : rest) node += token.text;
    if (node.empty()) return {};
    return node;
}

// The argument, or nothing if what follows the command's words does not fit.
std::optional<std::string> argument_of(const CommandSpec& spec, std::span<const Token> rest) {
    if (spec.argument == Argument::Node) return node_of(rest);
    if (spec.argument == Argument::Anything || rest.empty()) return "";
    if (spec.argument == Argument::None || rest.size() > 1) return {};
    if (rest[0].kind == Token::Kind::Symbol) return {};
    // An empty argument would mean all databases.
    if (rest[0].text.empty()) return {};
    return rest[0].text;
}

Refusal forbidden(const CommandSpec& spec) {
    return {.reason = RefusalReason::ConsolePermission,
            .subject = std::string(spec.words),
            .value = std::string(option_of(spec.needs.role))};
}

Refusal wants_usage(const CommandSpec& spec) {
    return {.reason = RefusalReason::ConsoleFailed,
            .subject = std::string(spec.words),
            .detail = "It is written " + usage_of(spec) + "."};
}

Result<Statement, Refusal> parse_statement(const Tokens& tokens, Role role) {
    std::size_t matched = 0;
    const CommandSpec* spec = find_command(tokens, matched);
    if (spec == nullptr) return failure(unknown(tokens));
    const auto argument = argument_of(*spec, std::span(tokens).subspan(matched));
    if (!argument && spec->argument != Argument::Node) return failure(unknown(tokens));
    if (role < spec->needs.role || role == Role::None) {
        return failure(forbidden(*spec));
    }
    if (!argument) return failure(wants_usage(*spec));
    if (spec->verb == Verb::Unsupported) {
        return failure(Refusal{.reason = RefusalReason::ConsoleUnsupportedCommand,
                               .subject = std::string(spec->words),
                               .detail = std::string(spec->value)});
    }
    return Statement{spec, *argument, {}};
}

// The command that takes all the rest of the query, if these are its words.
const CommandSpec* takes_rest(const Tokens& tokens) {
    std::size_t matched = 0;
    const CommandSpec* spec = find_command(tokens, matched);
    const bool takes = spec != nullptr && spec->argument == Argument::Statement;
    return takes && matched == tokens.size() ? spec : nullptr;
}

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view kBlanks = " \t\n\r\f\v";
    const std::size_t first = text.find_first_not_of(kBlanks);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

// Behind the words of such a command. The rest is not scanned: whatever it holds, the statement is
// the text that a client would send.
Result<Statement, Refusal> parse_rest(const CommandSpec& spec, Scanner scanner, Role role) {
    if (role < spec.needs.role || role == Role::None) return failure(forbidden(spec));
    Statement statement{&spec, {}, {}};
    Scanner ahead = scanner;
    const std::optional<Token> on = ahead.next();
    // No statement of SQL begins with ON.
    if (on && on->kind == Token::Kind::Word && equals_ignoring_case(on->text, "ON")) {
        const std::optional<Token> database = ahead.next();
        const bool is_name = database && (database->kind == Token::Kind::Word ||
                                          database->kind == Token::Kind::Quoted);
        if (!is_name || database->text.empty()) return failure(wants_usage(spec));
        statement.argument = database->text;
        scanner = ahead;
    }
    statement.statement = trimmed(scanner.rest());
    if (statement.statement.find_first_not_of("; \n") == std::string::npos) {
        return failure(wants_usage(spec));
    }
    return statement;
}

}  // namespace

AdminCommand Statement::command() const {
    AdminCommand command{.verb = spec->verb,
                         .table = spec->table,
                         .shutdown = spec->shutdown,
                         .statement = statement};
    (spec->argument == Argument::Node ? command.node : command.database) = argument;
    return command;
}

Result<std::vector<Statement>, Refusal> parse_console(std::string_view text, Role role) {
    std::vector<Statement> statements;
    Scanner scanner(text);
    Tokens tokens;
    for (;;) {
        std::optional<Token> token = scanner.next();
        if (token && token->kind == Token::Kind::Unterminated) {
            tokens.push_back(std::move(*token));
            return failure(unknown(tokens));
        }
        if (token && !token->is(';')) {
            // Enough to match and to repeat; the rest of a long statement only has to be there.
            if (tokens.size() == kWordsMax) continue;
            tokens.push_back(std::move(*token));
            const CommandSpec* spec = takes_rest(tokens);
            if (spec == nullptr) continue;
            Result<Statement, Refusal> statement = parse_rest(*spec, scanner, role);
            if (!statement) return failure(statement.error());
            statements.push_back(std::move(*statement));
            return statements;
        }
        if (!tokens.empty()) {
            Result<Statement, Refusal> statement = parse_statement(tokens, role);
            if (!statement) return failure(statement.error());
            statements.push_back(std::move(*statement));
            tokens.clear();
        }
        if (!token) return statements;
    }
}

}  // namespace pgweir::admin
