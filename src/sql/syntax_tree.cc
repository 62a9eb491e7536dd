// SPDX-License-Identifier: PostgreSQL
#include "sql/syntax_tree.h"

#include <charconv>

namespace pgweir::sql {

using Node = SyntaxTree::Node;

std::int64_t Node::number() const {
    std::int64_t value = 0;
    const std::string_view digits = text();
    std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return value;
}

Node Node::operator[](std::string_view member) const {
    for (const Node child : *this) {
        if (child.name() == member) return child;
    }
    return {};
}

Node Node::first() const {
    return tree_ && item().first ? Node{tree_, item().first} : Node{};
}

Node Node::next() const {
    return tree_ && item().next ? Node{tree_, item().next} : Node{};
}

// Reads without recursion: the depth of the tree is up to whoever wrote the statement. Strings are
// unescaped in place; they only become shorter.
class TreeReader {
 public:
    TreeReader(std::string& json, std::vector<SyntaxTree::Item>& items)
        : at_(json.data()), end_(json.data() + json.size()), items_(items) {}

    bool read() {
        if (!read_value({})) return false;
        while (!open_.empty()) {
            if (!read_member()) return false;
        }
        return at_ == end_;
    }

 private:
    struct Open {
        std::uint32_t index;
        std::uint32_t last_child;
        char close;
    };

    char peek() const { return at_ == end_ ? '\0' : *at_; }
    bool take(char c) {
        if (peek() != c) return false;
        ++at_;
        return true;
    }

    bool read_member() {
        Open& open = open_.back();
        if (take(open.close)) {
            open_.pop_back();
            return true;
        }
        if (open.last_child != 0 && !take(',')) return false;
        std::string_view name;
        if (open.close == '}' && !(read_text(name) && take(':'))) return false;
        return read_value(name);
    }

    bool read_value(std::string_view name) {
        const std::uint32_t index = add(name);
        if (take('{')) return begin(index, SyntaxTree::Kind::Object, '}');
        if (take('[')) return begin(index, SyntaxTree::Kind::Array, ']');
        SyntaxTree::Item& item = items_[index];
        if (peek() == '"') {
            item.kind = SyntaxTree::Kind::Text;
            return read_text(item.text);
        }
        item.kind = SyntaxTree::Kind::Other;
        return read_bare(item.text);
    }

    std::uint32_t add(std::string_view name) {
        const auto index = static_cast<std::uint32_t>(items_.size());
        items_.push_back({.name = name, .text = {}});
        if (!open_.empty()) {
            Open& open = open_.back();
            (open.last_child ? items_[open.last_child].next : items_[open.index].first) = index;
            open.last_child = index;
        }
        return index;
    }

    bool begin(std::uint32_t index, SyntaxTree::Kind kind, char close) {
        items_[index].kind = kind;
        open_.push_back({index, 0, close});
        return true;
    }

    // Numbers, true, false, null.
    bool read_bare(std::string_view& text) {
        const char* const from = at_;
        while (at_ != end_ && *at_ != ',' && *at_ != '}' && *at_ != ']') ++at_;
        text = {from, static_cast<std::size_t>(at_ - from)};
        return !text.empty();
    }

    bool read_text(std::string_view& text) {
        if (!take('"')) return false;
        char* const from = at_;
        char* out = at_;
        while (at_ != end_ && *at_ != '"') {
            if (*at_ == '\\') {
                if (!unescape(out)) return false;
            } else {
                *out++ = *at_++;
            }
        }
        text = {from, static_cast<std::size_t>(out - from)};
        return take('"');
    }

    bool unescape(char*& out) {
        if (end_ - at_ < 2) return false;
        const char c = at_[1];
        at_ += 2;
        switch (c) {
            case 'n':
                *out++ = '\n';
                return true;
            case 't':
                *out++ = '\t';
                return true;
            case 'r':
                *out++ = '\r';
                return true;
            case 'b':
                *out++ = '\b';
                return true;
            case 'f':
                *out++ = '\f';
                return true;
            case 'u':
                return unescape_code(out);
            default:
                *out++ = c;
                return true;
        }
    }

    // Only bytes below 0x80 are written so; the others stand for themselves.
    bool unescape_code(char*& out) {
        if (end_ - at_ < 4) return false;
        unsigned code = 0;
        const auto [stop, error] = std::from_chars(at_, at_ + 4, code, 16);
        if (stop != at_ + 4 || code >= 0x80) return false;
        at_ += 4;
        *out++ = static_cast<char>(code);
        return true;
    }

    char* at_;
    char* const end_;
    std::vector<SyntaxTree::Item>& items_;
    std::vector<Open> open_;
};

bool SyntaxTree::read(std::string json) {
    json_ = std::move(json);
    items_.clear();
    items_.reserve(json_.size() / 16);
    if (TreeReader(json_, items_).read()) return true;
    items_.clear();
    return false;
}

}  // namespace pgweir::sql
