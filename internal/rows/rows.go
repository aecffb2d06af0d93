// Package rows keeps slices of structs in tables: one description of a row, read from its `db` tags, serves loading,
// saving what changed, inserting in bulk, and comparing what a table holds with what it should hold.
//
// Its promise: Save writes exactly the differences between two states, and Diff names exactly the same differences,
// so what Save would have written is what verification finds. It decides nothing about what the rows mean.
package rows

import (
	"bytes"
	"context"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"plumbline/internal/store"
)

// A Table keeps values of T, a struct whose fields carry `db:"column"` or, where they are part of the row's key,
// `db:"column,key"`. Fields are whole numbers, strings or []byte, or types made from them; fields without a tag are
// not kept. With an owner, every row also has that column in front of its key, and the rows of one owner are loaded
// and saved together. A Table is made once, at start, and is safe for use by many goroutines.
type Table[T any] struct {
	name    string
	owner   string
	columns []column
	keys    []int // of columns, in the order of the fields
	rest    []int

	selectOne  string
	updateOne  string
	deleteOne  string
	insertHead string

	mu    sync.Mutex
	texts map[int]string // INSERT for so many rows; SELECT for so many owners, as a negative number
}

type column struct {
	name  string
	field int
	key   bool
	kind  reflect.Kind // Int64, String or Slice (of bytes)
}

// atOnce is the largest number of rows one of our cached INSERT texts takes; more go through store.Tx.InsertMany.
const atOnce = 16

// Of describes a table. It panics when T cannot be kept: that is a mistake in the program, found by its first test.
func Of[T any](table, owner string) *Table[T] {
	t := &Table[T]{name: table, owner: owner, texts: map[int]string{}}
	typ := reflect.TypeFor[T]()
	if typ.Kind() != reflect.Struct {
		panic(fmt.Sprintf("rows: %v is no struct", typ))
	}
	for i := range typ.NumField() {
		f := typ.Field(i)
		tag, ok := f.Tag.Lookup("db")
		if !ok {
			continue
		}
		name, option, _ := strings.Cut(tag, ",")
		c := column{name: name, field: i, key: option == "key", kind: f.Type.Kind()}
		switch {
		case c.kind == reflect.Int64 || c.kind == reflect.String:
		case c.kind == reflect.Slice && f.Type.Elem().Kind() == reflect.Uint8:
		default:
			panic(fmt.Sprintf("rows: %v.%s is a %v, which no column holds", typ, f.Name, f.Type))
		}
		if c.key {
			t.keys = append(t.keys, len(t.columns))
		} else {
			t.rest = append(t.rest, len(t.columns))
		}
		t.columns = append(t.columns, c)
	}
	if len(t.keys) == 0 {
		panic(fmt.Sprintf("rows: %v has no key", typ))
	}
	t.write()
	return t
}

// write puts together the statements that do not depend on how many rows there are.
func (t *Table[T]) write() {
	names := t.Columns()
	t.insertHead = "INSERT INTO " + t.name + " (" + strings.Join(names, ", ") + ") VALUES "

	var own []string
	for _, c := range t.columns {
		own = append(own, c.name)
	}
	where, order := t.keyColumn(), ""
	if t.owner != "" {
		var keys []string
		for _, k := range t.keys {
			keys = append(keys, t.columns[k].name)
		}
		order = " ORDER BY " + strings.Join(keys, ", ")
	}
	t.selectOne = "SELECT " + strings.Join(own, ", ") + " FROM " + t.name + " WHERE " + where + " = $1" + order

	n := 0
	arg := func() string { n++; return "$" + strconv.Itoa(n) }
	var sets, conds []string
	for _, i := range t.rest {
		sets = append(sets, t.columns[i].name+" = "+arg())
	}
	condition := func() string {
		conds = conds[:0]
		if t.owner != "" {
			conds = append(conds, t.owner+" = "+arg())
		}
		for _, i := range t.keys {
			conds = append(conds, t.columns[i].name+" = "+arg())
		}
		return strings.Join(conds, " AND ")
	}
	t.updateOne = "UPDATE " + t.name + " SET " + strings.Join(sets, ", ") + " WHERE " + condition()
	n = 0
	t.deleteOne = "DELETE FROM " + t.name + " WHERE " + condition()
}

// keyColumn is the column Load finds rows by: the owner, or the row's own first key.
func (t *Table[T]) keyColumn() string {
	if t.owner != "" {
		return t.owner
	}
	return t.columns[t.keys[0]].name
}

// Name returns the table's name.
func (t *Table[T]) Name() string { return t.name }

// KeyColumn returns the column that ties a row to the thing it belongs to.
func (t *Table[T]) KeyColumn() string { return t.keyColumn() }

// Columns returns the names of all columns, the owner first: what Values gives values for.
func (t *Table[T]) Columns() []string {
	var out []string
	if t.owner != "" {
		out = append(out, t.owner)
	}
	for _, c := range t.columns {
		out = append(out, c.name)
	}
	return out
}

// Values returns the row's values in the order of Columns, for store.Tx.InsertMany.
func (t *Table[T]) Values(owner int64, row *T) []any {
	return t.appendValues(make([]any, 0, len(t.columns)+1), owner, row)
}

func (t *Table[T]) appendValues(out []any, owner int64, row *T) []any {
	if t.owner != "" {
		out = append(out, owner)
	}
	v := reflect.ValueOf(row).Elem()
	for i := range t.columns {
		out = append(out, t.columns[i].get(v))
	}
	return out
}

// get returns the field as what a driver takes: int64, string, []byte, or nil for no bytes.
func (c *column) get(row reflect.Value) any {
	f := row.Field(c.field)
	switch c.kind {
	case reflect.Int64:
		return f.Int()
	case reflect.String:
		return f.String()
	}
	if f.IsNil() {
		return nil
	}
	return f.Bytes()
}

func (c *column) equal(a, b reflect.Value) bool {
	fa, fb := a.Field(c.field), b.Field(c.field)
	switch c.kind {
	case reflect.Int64:
		return fa.Int() == fb.Int()
	case reflect.String:
		return fa.String() == fb.String()
	}
	return bytes.Equal(fa.Bytes(), fb.Bytes())
}

// Load returns the rows of one owner, ordered by key; for a table without owner, the row with that key.
func (t *Table[T]) Load(ctx context.Context, tx *store.Tx, owner int64) ([]T, error) {
	found, err := tx.Query(ctx, t.selectOne, owner)
	if err != nil {
		return nil, fmt.Errorf("load %s of %d: %w", t.name, owner, err)
	}
	defer found.Close()
	var out []T
	for found.Next() {
		out = append(out, *new(T))
		if err := found.Scan(t.targets(&out[len(out)-1])...); err != nil {
			return nil, fmt.Errorf("load %s of %d: %w", t.name, owner, err)
		}
	}
	if err := found.Err(); err != nil {
		return nil, fmt.Errorf("load %s of %d: %w", t.name, owner, err)
	}
	return out, nil
}

// LoadMany is Load for several owners at once, by owner.
func (t *Table[T]) LoadMany(ctx context.Context, tx *store.Tx, owners []int64) (map[int64][]T, error) {
	out := make(map[int64][]T, len(owners))
	for len(owners) > 0 {
		n := min(len(owners), manyOwners)
		if err := t.loadSome(ctx, tx, owners[:n], out); err != nil {
			return nil, err
		}
		owners = owners[n:]
	}
	return out, nil
}

// manyOwners bounds the placeholders of one statement. Fewer owners are padded to a power of two, so that the
// database sees few different texts.
const manyOwners = 256

func (t *Table[T]) loadSome(ctx context.Context, tx *store.Tx, owners []int64, out map[int64][]T) error {
	width := 1
	for width < len(owners) {
		width *= 2
	}
	args := make([]any, width)
	for i := range args {
		args[i] = owners[min(i, len(owners)-1)]
	}
	found, err := tx.Query(ctx, t.selectText(width), args...)
	if err != nil {
		return fmt.Errorf("load %s of many: %w", t.name, err)
	}
	defer found.Close()
	for found.Next() {
		var owner int64
		var row T
		if err := found.Scan(append([]any{&owner}, t.targets(&row)...)...); err != nil {
			return fmt.Errorf("load %s of many: %w", t.name, err)
		}
		out[owner] = append(out[owner], row)
	}
	return found.Err()
}

func (t *Table[T]) selectText(width int) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if text := t.texts[-width]; text != "" {
		return text
	}
	var b strings.Builder
	b.WriteString("SELECT " + t.keyColumn())
	for _, c := range t.columns {
		b.WriteString(", " + c.name)
	}
	b.WriteString(" FROM " + t.name + " WHERE " + t.keyColumn() + " IN (")
	for i := range width {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("$" + strconv.Itoa(i+1))
	}
	b.WriteString(") ORDER BY " + t.keyColumn())
	for _, k := range t.keys {
		if t.owner != "" {
			b.WriteString(", " + t.columns[k].name)
		}
	}
	t.texts[-width] = b.String()
	return t.texts[-width]
}

func (t *Table[T]) targets(row *T) []any {
	v := reflect.ValueOf(row).Elem()
	out := make([]any, len(t.columns))
	for i, c := range t.columns {
		out[i] = v.Field(c.field).Addr().Interface()
	}
	return out
}

// Save makes the rows of an owner go from old to new: it inserts, updates and deletes what differs and nothing else.
func (t *Table[T]) Save(ctx context.Context, tx *store.Tx, owner int64, old, new []T) error {
	var added []T
	kept := t.index(old)
	for i := range new {
		row := reflect.ValueOf(&new[i]).Elem()
		key := t.key(row)
		was, ok := kept[key]
		if !ok {
			added = append(added, new[i])
			continue
		}
		delete(kept, key)
		if t.same(reflect.ValueOf(&old[was]).Elem(), row) {
			continue
		}
		if err := t.update(ctx, tx, owner, row); err != nil {
			return err
		}
	}
	for _, was := range kept {
		if err := t.delete(ctx, tx, owner, reflect.ValueOf(&old[was]).Elem()); err != nil {
			return err
		}
	}
	return t.insert(ctx, tx, owner, added)
}

func (t *Table[T]) same(a, b reflect.Value) bool {
	for _, i := range t.rest {
		if !t.columns[i].equal(a, b) {
			return false
		}
	}
	return true
}

func (t *Table[T]) update(ctx context.Context, tx *store.Tx, owner int64, row reflect.Value) error {
	args := make([]any, 0, len(t.columns)+1)
	for _, i := range t.rest {
		args = append(args, t.columns[i].get(row))
	}
	if _, err := tx.Exec(ctx, t.updateOne, t.keyArgs(args, owner, row)...); err != nil {
		return fmt.Errorf("update %s %s: %w", t.name, t.describe(owner, row), err)
	}
	return nil
}

func (t *Table[T]) delete(ctx context.Context, tx *store.Tx, owner int64, row reflect.Value) error {
	if _, err := tx.Exec(ctx, t.deleteOne, t.keyArgs(nil, owner, row)...); err != nil {
		return fmt.Errorf("delete %s %s: %w", t.name, t.describe(owner, row), err)
	}
	return nil
}

func (t *Table[T]) keyArgs(args []any, owner int64, row reflect.Value) []any {
	if t.owner != "" {
		args = append(args, owner)
	}
	for _, i := range t.keys {
		args = append(args, t.columns[i].get(row))
	}
	return args
}

func (t *Table[T]) insert(ctx context.Context, tx *store.Tx, owner int64, added []T) error {
	for len(added) > 0 {
		n := min(len(added), atOnce)
		args := make([]any, 0, n*(len(t.columns)+1))
		for i := range added[:n] {
			args = t.appendValues(args, owner, &added[i])
		}
		if _, err := tx.Exec(ctx, t.insertText(n), args...); err != nil {
			return fmt.Errorf("insert into %s of %d: %w", t.name, owner, err)
		}
		added = added[n:]
	}
	return nil
}

func (t *Table[T]) insertText(n int) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if text := t.texts[n]; text != "" {
		return text
	}
	width := len(t.Columns())
	var b strings.Builder
	b.WriteString(t.insertHead)
	for row := range n {
		if row > 0 {
			b.WriteString(", ")
		}
		b.WriteByte('(')
		for i := range width {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString("$" + strconv.Itoa(row*width+i+1))
		}
		b.WriteByte(')')
	}
	t.texts[n] = b.String()
	return t.texts[n]
}

// index maps the key of each row to its place.
func (t *Table[T]) index(all []T) map[string]int {
	out := make(map[string]int, len(all))
	for i := range all {
		out[t.key(reflect.ValueOf(&all[i]).Elem())] = i
	}
	return out
}

// key is the row's key as text, unambiguous: lengths keep its parts apart.
func (t *Table[T]) key(row reflect.Value) string {
	var b []byte
	for _, i := range t.keys {
		s := text(t.columns[i].get(row))
		b = strconv.AppendInt(b, int64(len(s)), 10)
		b = append(b, ':')
		b = append(b, s...)
	}
	return string(b)
}

// describe names a row for people: "matter=12 no=1".
func (t *Table[T]) describe(owner int64, row reflect.Value) string {
	var parts []string
	if t.owner != "" {
		parts = append(parts, t.owner+"="+strconv.FormatInt(owner, 10))
	}
	for _, i := range t.keys {
		parts = append(parts, t.columns[i].name+"="+text(t.columns[i].get(row)))
	}
	return strings.Join(parts, " ")
}

func text(v any) string {
	switch v := v.(type) {
	case int64:
		return strconv.FormatInt(v, 10)
	case string:
		return v
	case []byte:
		return fmt.Sprintf("%x", v)
	}
	return ""
}
