// SPDX-License-Identifier: PostgreSQL
// The SQL that finds out what is harmless, over the whole database at once.
//
// How it knows: a function is what pg_proc declares (and its aggregate's parts are), an operator
// what its function is. A view and a row security policy run what they depend on (pg_depend), and
// so on through views of views, inheritance and partitions. Dependencies on PostgreSQL's built-in
// functions are not recorded in pg_depend ("pinned"), so the stored expressions are searched for
// these. Only what a SELECT runs counts: rules for INSERT and the like don't, nor does what made a
// materialized view.
//
// What begins a recursion passes through an array: the planner then expects ten rows of it, not the
// thousands whose cost would make it compile the query first (jit_above_cost).
//
// Temporary relations are left out: a session that has any stays on its server, and to the others
// they don't exist.
#include <string>

#include "pgweir/sql/catalog.h"
#include "sql/known_names.h"

namespace pgweir::sql {
namespace {

// Plain operators between blanks, and $names, are written out below.
constexpr std::string_view kQuery = R"sql(
with recursive
volatile_function as materialized (
  select p.oid from pg_catalog.pg_proc p where p.provolatile = 'v'
),
unsafe_function as materialized (
  select p.oid from pg_catalog.pg_proc p
    left join pg_catalog.pg_language l on l.oid = p.prolang
  where (p.provolatile = 'v'
         and not (p.pronamespace = 'pg_catalog'::pg_catalog.regnamespace
                  and $harmless_volatile)
         and not coalesce(l.lanname = 'c'
                          and p.probin = any(
                            '{$libdir/uuid-ossp,$libdir/pgcrypto}'::pg_catalog.text[]), false))
     or p.prokind = 'p'
     or not (l.lanpltrusted or l.lanname = any('{internal,c,sql}'::pg_catalog.name[]))
     or $run_texts
     or $local_functions
  union
  select a.aggfnoid::pg_catalog.oid from pg_catalog.pg_aggregate a
    cross join lateral pg_catalog.unnest(array[
      a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggserialfn, a.aggdeserialfn, a.aggmtransfn,
      a.aggminvtransfn, a.aggmfinalfn]::pg_catalog.oid[]) as part(oid)
    join volatile_function v on v.oid = part.oid
),
-- A function in a stored expression: ":funcid 1574 ", ":opfuncid …", ":aggfnoid …", ":winfnoid …".
built_in as materialized (
  select u.oid::pg_catalog.text as id from unsafe_function u
  where not u.oid >= 16384::pg_catalog.oid
),
unsafe_by_itself as materialized (
  select t.oid from pg_catalog.pg_type t
    cross join lateral pg_catalog.unnest(array[
      t.typinput, t.typoutput, t.typreceive, t.typsend]::pg_catalog.oid[]) as part(oid)
    join volatile_function v on v.oid = part.oid
  union
  select t.oid from pg_catalog.pg_cast c
    join unsafe_function u on u.oid = c.castfunc
    cross join lateral pg_catalog.unnest(array[
      c.castsource, c.casttarget]::pg_catalog.oid[]) as t(oid)
  union
  select n.contypid from pg_catalog.pg_constraint n
    cross join lateral ($pieces(n.conbin)) p join built_in b on b.id = p.id
  where not n.contypid = 0::pg_catalog.oid
  union
  select n.contypid from pg_catalog.pg_constraint n
    join pg_catalog.pg_depend d on d.objid = n.oid
     and d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass
     and d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass
    join unsafe_function u on u.oid = d.refobjid
  where not n.contypid = 0::pg_catalog.oid
),
made_of as materialized (
  select t.oid as whole, t.typbasetype as part from pg_catalog.pg_type t where t.typtype = 'd'
  union all
  select t.oid, t.typelem from pg_catalog.pg_type t where t.typcategory = 'A'
  union all
  select r.rngtypid, r.rngsubtype from pg_catalog.pg_range r
  union all
  select c.reltype, a.atttypid from pg_catalog.pg_class c
    join pg_catalog.pg_attribute a on a.attrelid = c.oid
  where c.relkind = 'c' and exists (select from unsafe_by_itself)
),
unsafe_type as (
  select pg_catalog.unnest(array(select u.oid from unsafe_by_itself u)) as oid
  union
  select m.whole from unsafe_type u join made_of m on m.part = u.oid
),
unsafe_types as materialized (
  select coalesce(pg_catalog.array_agg(u.oid), '{}') as oids from unsafe_type u
),
-- Of expressions: what they belong to, and whose dependencies they are.
expression as materialized (
  select r.ev_class as relation, r.oid,
         'pg_catalog.pg_rewrite'::pg_catalog.regclass::pg_catalog.oid as classid,
         r.ev_action::pg_catalog.text as body
  from pg_catalog.pg_rewrite r
    join pg_catalog.pg_class c on c.oid = r.ev_class and c.relkind = 'v'
  where r.ev_type = '1' and r.oid >= 16384::pg_catalog.oid
  union all
  select o.polrelid, o.oid, 'pg_catalog.pg_policy'::pg_catalog.regclass::pg_catalog.oid,
         o.polqual::pg_catalog.text
  from pg_catalog.pg_policy o
),
needs as materialized (
  select e.relation, d.refobjid as needed from expression e
    join pg_catalog.pg_depend d on d.classid = e.classid and d.objid = e.oid
     and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
  union all
  select i.inhparent, i.inhrelid from pg_catalog.pg_inherits i
),
unsafe_by_what_it_is as materialized (
  select c.oid from pg_catalog.pg_class c
  where c.relpersistence = 'u' or c.relkind = 'f' or c.relkind = 'S'
     or (c.relkind = 'v' and $local_relations)
  union
  select e.relation from expression e
    cross join lateral ($pieces(e.body)) p join built_in b on b.id = p.id
  union
  select e.relation from expression e
    join pg_catalog.pg_depend d on d.classid = e.classid and d.objid = e.oid
    cross join unsafe_types t
  where (d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass
         and exists (select from unsafe_function u where u.oid = d.refobjid))
     or (d.refclassid = 'pg_catalog.pg_operator'::pg_catalog.regclass
         and exists (select from pg_catalog.pg_operator o
                       join unsafe_function u on u.oid = o.oprcode
                     where o.oid = d.refobjid))
     or (d.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass and d.refobjid = any(t.oids))
  union
  select a.attrelid from pg_catalog.pg_attribute a cross join unsafe_types t
  where not pg_catalog.cardinality(t.oids) = 0 and a.atttypid = any(t.oids)
),
unsafe_relation as (
  select pg_catalog.unnest(array(select u.oid from unsafe_by_what_it_is u)) as oid
  union
  select n.relation from needs n join unsafe_relation u on u.oid = n.needed
)
select 'f', p.proname::pg_catalog.text,
       case when pg_catalog.bool_and(u.oid is null
              and not (p.prorettype = any(t.oids) or p.proargtypes::pg_catalog.oid[] && t.oids))
            then 't' else 'f' end
from pg_catalog.pg_proc p left join unsafe_function u on u.oid = p.oid cross join unsafe_types t
group by p.proname
union all
select 'o', o.oprname::pg_catalog.text,
       case when pg_catalog.bool_and(u.oid is null) then 't' else 'f' end
from pg_catalog.pg_operator o left join unsafe_function u on u.oid = o.oprcode
group by o.oprname
union all
select 't', y.typname::pg_catalog.text,
       case when pg_catalog.bool_and(not y.oid = any(t.oids)) then 't' else 'f' end
from pg_catalog.pg_type y left join pg_catalog.pg_class c on c.oid = y.typrelid
  cross join unsafe_types t
where (y.typrelid = 0::pg_catalog.oid or c.relkind = 'c')
  and (not y.typcategory = 'A' or not y.oid >= 16384::pg_catalog.oid)
group by y.typname
union all
select 'r', c.relname::pg_catalog.text,
       case when pg_catalog.bool_and(u.oid is null) then 't' else 'f' end
from pg_catalog.pg_class c left join unsafe_relation u on u.oid = c.oid
where c.relkind = any('{r,p,v,m,f,S}'::pg_catalog."char"[]) and not c.relpersistence = 't'
group by c.relname)sql";

void replace_all(std::string& text, std::string_view what, std::string_view with) {
    for (std::size_t at = text.find(what); at != std::string::npos;
         at = text.find(what, at + with.size())) {
        text.replace(at, what.size(), with);
    }
}

// "{a,b}": the names are letters, digits and underscores.
void add_to_array(std::string& array, std::string_view element) {
    array.insert(array.size() - 1, std::string(array.size() > 2 ? "," : "").append(element));
}

// A condition on a name. Few names come as far as to be compared with each prefix: a regular
// expression of them all would cost more than the rest of the query.
std::string is_one_of(std::span<const Pattern> patterns, const std::string& name) {
    std::string names = "{}";
    std::string prefixes = "{}";
    std::string beginnings = "{}";
    for (Pattern pattern : patterns) {
        if (!pattern.ends_with('*')) {
            add_to_array(names, pattern);
            continue;
        }
        pattern.remove_suffix(1);
        add_to_array(prefixes, pattern);
        add_to_array(beginnings, pattern.substr(0, 3));
    }
    const std::string text = name + "::pg_catalog.text";
    return "(" + name + " = any('" + names + "'::pg_catalog.name[])" +          //
           " or (pg_catalog.substr(" + text + ", 1, 3) = any('" + beginnings +  //
           "'::pg_catalog.text[]) and exists (select from pg_catalog.unnest('" + prefixes +
           "'::pg_catalog.text[]) as known(prefix) where pg_catalog.starts_with(" + text +
           ", known.prefix))))";
}

// The numbers of functions in a stored expression, as texts. Splitting is many times faster than a
// regular expression.
std::string numbers_behind_marks(const std::string& expression) {
    return "select pg_catalog.split_part(pg_catalog.substr(piece.body, 1, 12), ' ', 1) as id"
           " from pg_catalog.unnest(pg_catalog.string_to_array(pg_catalog.replace(" +
           expression + "::pg_catalog.text, 'fnoid ', 'funcid '), 'funcid ')) as piece(body)";
}

std::string written_out() {
    std::string text(kQuery.substr(1));
    replace_all(text, "$pieces(n.conbin)", numbers_behind_marks("n.conbin"));
    replace_all(text, "$pieces(e.body)", numbers_behind_marks("e.body"));
    replace_all(text, "$harmless_volatile", is_one_of(harmless_volatile_functions(), "p.proname"));
    replace_all(text, "$run_texts", is_one_of(functions_that_run_texts(), "p.proname"));
    replace_all(text, "$local_functions", is_one_of(local_functions(), "p.proname"));
    replace_all(text, "$local_relations", is_one_of(local_relations(), "c.relname"));
    for (const std::string op : {"=", "~", "||", "&&", ">="}) {
        replace_all(text, " " + op + " ", " operator(pg_catalog." + op + ") ");
    }
    return text;
}

}  // namespace

std::string_view catalog_query() {
    static const std::string text = written_out();
    return text;
}

}  // namespace pgweir::sql
