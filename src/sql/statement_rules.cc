// SPDX-License-Identifier: PostgreSQL
#include "sql/statement_rules.h"

#include <algorithm>

namespace pgweir::sql {
namespace {

constexpr bool kChangesSchema = true;
constexpr bool kLeavesState = true;

// What changes the schema here changes functions, operators, types, relations or policies, or what
// these stand for; roles, rights, indexes, comments and the like decide about no verdict.
constexpr StatementRule kRules[] = {
    {"TruncateStmt", Reason::DataModification, "truncates"},

    {"CreateStmt", Reason::SchemaChange, "creates a table", kChangesSchema},
    {"ViewStmt", Reason::SchemaChange, "creates a view", kChangesSchema},
    {"CreateFunctionStmt", Reason::SchemaChange, "creates a function", kChangesSchema},
    {"AlterFunctionStmt", Reason::SchemaChange, "alters a function", kChangesSchema},
    {"RuleStmt", Reason::SchemaChange, "creates a rule", kChangesSchema},
    {"CreateSeqStmt", Reason::SchemaChange, "creates a sequence", kChangesSchema},
    {"AlterSeqStmt", Reason::SchemaChange, "alters a sequence", kChangesSchema},
    {"AlterTableStmt", Reason::SchemaChange, "alters a relation", kChangesSchema},
    {"AlterTableMoveAllStmt", Reason::SchemaChange, "moves relations"},
    {"DropStmt", Reason::SchemaChange, "drops something", kChangesSchema},
    {"DropOwnedStmt", Reason::SchemaChange, "drops what a role owns", kChangesSchema},
    {"ReassignOwnedStmt", Reason::SchemaChange, "reassigns what a role owns"},
    {"RenameStmt", Reason::SchemaChange, "renames something", kChangesSchema},
    {"AlterObjectSchemaStmt", Reason::SchemaChange, "moves something", kChangesSchema},
    {"AlterObjectDependsStmt", Reason::SchemaChange, "alters a dependency"},
    {"AlterOwnerStmt", Reason::SchemaChange, "alters an owner"},
    {"CreateSchemaStmt", Reason::SchemaChange, "creates a schema", kChangesSchema},
    {"CreateDomainStmt", Reason::SchemaChange, "creates a domain", kChangesSchema},
    {"AlterDomainStmt", Reason::SchemaChange, "alters a domain", kChangesSchema},
    {"CompositeTypeStmt", Reason::SchemaChange, "creates a type", kChangesSchema},
    {"CreateEnumStmt", Reason::SchemaChange, "creates a type", kChangesSchema},
    {"CreateRangeStmt", Reason::SchemaChange, "creates a type", kChangesSchema},
    {"AlterEnumStmt", Reason::SchemaChange, "alters a type"},
    {"AlterTypeStmt", Reason::SchemaChange, "alters a type", kChangesSchema},
    {"DefineStmt", Reason::SchemaChange, "defines something", kChangesSchema},
    {"CreateCastStmt", Reason::SchemaChange, "creates a cast", kChangesSchema},
    {"CreateTransformStmt", Reason::SchemaChange, "creates a transform"},
    {"CreateConversionStmt", Reason::SchemaChange, "creates a conversion"},
    {"CreateOpClassStmt", Reason::SchemaChange, "creates an operator class"},
    {"CreateOpFamilyStmt", Reason::SchemaChange, "creates an operator family"},
    {"AlterOpFamilyStmt", Reason::SchemaChange, "alters an operator family"},
    {"AlterOperatorStmt", Reason::SchemaChange, "alters an operator", kChangesSchema},
    {"AlterCollationStmt", Reason::SchemaChange, "alters a collation"},
    {"CreatePLangStmt", Reason::SchemaChange, "creates a language", kChangesSchema},
    {"CreateAmStmt", Reason::SchemaChange, "creates an access method"},
    {"CreateExtensionStmt", Reason::SchemaChange, "creates an extension", kChangesSchema},
    {"AlterExtensionStmt", Reason::SchemaChange, "alters an extension", kChangesSchema},
    {"AlterExtensionContentsStmt", Reason::SchemaChange, "alters an extension"},
    {"CreateFdwStmt", Reason::SchemaChange, "creates a foreign data wrapper"},
    {"AlterFdwStmt", Reason::SchemaChange, "alters a foreign data wrapper"},
    {"CreateForeignServerStmt", Reason::SchemaChange, "creates a foreign server"},
    {"AlterForeignServerStmt", Reason::SchemaChange, "alters a foreign server"},
    {"CreateForeignTableStmt", Reason::SchemaChange, "creates a foreign table", kChangesSchema},
    {"ImportForeignSchemaStmt", Reason::SchemaChange, "imports a schema", kChangesSchema},
    {"CreateUserMappingStmt", Reason::SchemaChange, "creates a user mapping"},
    {"AlterUserMappingStmt", Reason::SchemaChange, "alters a user mapping"},
    {"DropUserMappingStmt", Reason::SchemaChange, "drops a user mapping"},
    {"CreatePolicyStmt", Reason::SchemaChange, "creates a policy", kChangesSchema},
    {"AlterPolicyStmt", Reason::SchemaChange, "alters a policy", kChangesSchema},
    {"CreateTrigStmt", Reason::SchemaChange, "creates a trigger"},
    {"CreateEventTrigStmt", Reason::SchemaChange, "creates an event trigger"},
    {"AlterEventTrigStmt", Reason::SchemaChange, "alters an event trigger"},
    {"CreatePublicationStmt", Reason::SchemaChange, "creates a publication"},
    {"AlterPublicationStmt", Reason::SchemaChange, "alters a publication"},
    {"CreateSubscriptionStmt", Reason::SchemaChange, "creates a subscription"},
    {"AlterSubscriptionStmt", Reason::SchemaChange, "alters a subscription"},
    {"DropSubscriptionStmt", Reason::SchemaChange, "drops a subscription"},
    {"CreateStatsStmt", Reason::SchemaChange, "creates statistics"},
    {"AlterStatsStmt", Reason::SchemaChange, "alters statistics"},
    {"AlterTSConfigurationStmt", Reason::SchemaChange, "alters a text search configuration"},
    {"AlterTSDictionaryStmt", Reason::SchemaChange, "alters a text search dictionary"},
    {"IndexStmt", Reason::SchemaChange, "creates an index"},
    {"CommentStmt", Reason::SchemaChange, "comments"},
    {"SecLabelStmt", Reason::SchemaChange, "labels"},
    {"GrantStmt", Reason::SchemaChange, "grants or revokes"},
    {"GrantRoleStmt", Reason::SchemaChange, "grants or revokes a role"},
    {"AlterDefaultPrivilegesStmt", Reason::SchemaChange, "alters default privileges"},
    {"CreateRoleStmt", Reason::SchemaChange, "creates a role"},
    {"AlterRoleStmt", Reason::SchemaChange, "alters a role"},
    {"AlterRoleSetStmt", Reason::SchemaChange, "alters a role's settings"},
    {"DropRoleStmt", Reason::SchemaChange, "drops a role"},
    {"CreatedbStmt", Reason::SchemaChange, "creates a database"},
    {"AlterDatabaseStmt", Reason::SchemaChange, "alters a database"},
    {"AlterDatabaseRefreshCollStmt", Reason::SchemaChange, "alters a database"},
    {"AlterDatabaseSetStmt", Reason::SchemaChange, "alters a database's settings"},
    {"DropdbStmt", Reason::SchemaChange, "drops a database"},
    {"CreateTableSpaceStmt", Reason::SchemaChange, "creates a tablespace"},
    {"AlterTableSpaceOptionsStmt", Reason::SchemaChange, "alters a tablespace"},
    {"DropTableSpaceStmt", Reason::SchemaChange, "drops a tablespace"},

    {"AlterSystemStmt", Reason::Utility, "alters the configuration"},
    {"CheckPointStmt", Reason::Utility, "makes a checkpoint"},
    {"ClusterStmt", Reason::Utility, "clusters"},
    {"VacuumStmt", Reason::Utility, "vacuums or analyzes"},
    {"ReindexStmt", Reason::Utility, "rebuilds an index"},
    {"RefreshMatViewStmt", Reason::Utility, "refreshes a materialized view"},
    {"LockStmt", Reason::Utility, "locks a table"},
    {"NotifyStmt", Reason::Utility, "notifies"},

    {"PrepareStmt", Reason::SessionState, "prepares a statement", false, kLeavesState},
    {"DeallocateStmt", Reason::SessionState, "forgets a statement", false, kLeavesState},
    {"ListenStmt", Reason::SessionState, "listens", false, kLeavesState},
    {"UnlistenStmt", Reason::SessionState, "listens no more", false, kLeavesState},
    {"LoadStmt", Reason::SessionState, "loads a library", false, kLeavesState},
    // Until the transaction ends.
    {"ConstraintsSetStmt", Reason::SessionState, "sets when constraints are checked"},

    {"ExecuteStmt", Reason::ServerStatement, "executes a statement that was prepared by SQL"},
};

constexpr StatementRule kUnknown = {"", Reason::Utility, "is not known to only read",
                                    kChangesSchema, kLeavesState};

}  // namespace

const StatementRule& rule_of(std::string_view node) {
    const auto* found = std::find_if(std::begin(kRules), std::end(kRules),
                                     [&](const StatementRule& rule) { return rule.node == node; });
    return found == std::end(kRules) ? kUnknown : *found;
}

}  // namespace pgweir::sql
