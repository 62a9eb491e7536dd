// SPDX-License-Identifier: PostgreSQL
// A syntax tree as libpg_query hands it out in JSON, read into one block of nodes. It is used for
// one verdict and forgotten.
//
// What is a Node* in PostgreSQL's sources is an object of one member with the type's name, which
// begins in upper case: {"SelectStmt": {…}}. What is a pointer to a certain type is the inner
// object alone.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace pgweir::sql {

class SyntaxTree {
 public:
    enum class Kind : std::uint8_t { Nothing, Object, Array, Text, Other };

 private:
    struct Item {
        std::string_view name;
        std::string_view text;
        Kind kind = Kind::Nothing;
        std::uint32_t first = 0;  // 0: no children, or none behind it; the root is nobody's child.
        std::uint32_t next = 0;
    };

 public:
    // One value; Nothing where a member is asked for that isn't there.
    class Node {
     public:
        Node() = default;
        Node(const SyntaxTree* tree, std::uint32_t index) : tree_(tree), index_(index) {}

        bool exists() const { return tree_ != nullptr; }
        bool is_object() const { return kind() == Kind::Object; }
        bool is_array() const { return kind() == Kind::Array; }
        bool is_text() const { return kind() == Kind::Text; }
        bool is_true() const { return kind() == Kind::Other && text() == "true"; }
        // Its name in the object around it.
        std::string_view name() const { return tree_ ? item().name : std::string_view{}; }
        // A string's characters, or a number's or key word's as they are written.
        std::string_view text() const { return tree_ ? item().text : std::string_view{}; }
        std::int64_t number() const;
        Node operator[](std::string_view member) const;
        Node first() const;
        Node next() const;

        // for (Node child : node)
        struct Iterator;
        Iterator begin() const;
        Iterator end() const;

     private:
        Kind kind() const { return tree_ ? item().kind : Kind::Nothing; }
        const Item& item() const { return tree_->items_[index_]; }

        const SyntaxTree* tree_ = nullptr;
        std::uint32_t index_ = 0;
    };

    // False if this is no JSON; the tree is then empty. Takes the text, which the nodes refer to.
    bool read(std::string json);
    Node root() const { return items_.empty() ? Node{} : Node{this, 0}; }

 private:
    friend class TreeReader;
    std::string json_;
    std::vector<Item> items_;
};

struct SyntaxTree::Node::Iterator {
    Node node;
    Node operator*() const { return node; }
    Iterator& operator++() {
        node = node.next();
        return *this;
    }
    bool operator!=(const Iterator& other) const { return node.exists() != other.node.exists(); }
};

inline SyntaxTree::Node::Iterator SyntaxTree::Node::begin() const {
    return {first()};
}
inline SyntaxTree::Node::Iterator SyntaxTree::Node::end() const {
    return {};
}

}  // namespace pgweir::sql
