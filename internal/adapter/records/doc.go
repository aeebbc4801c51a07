// Package records is an adapter: a broker.Store, a broker.GrantStore and a
// configuration.Store on a Table. It says how each record is stored: its key,
// its columns and its body, the conditions of its writes and its entries in the
// indexes. docs/storage.md lists them. The package leaves out where the items
// are: package dynamo has a Table in DynamoDB, package memory one in the memory
// of the process.
//
// The fields of a record are named in one place, at its type. The tag json
// names a member of the body, a JSON object that only this package reads. The
// tag store names a column: what a condition, an index or TTL reads, what is
// written without reading the record first, sealed values, and states and some
// times, which operators see in the console and which are shorter as columns.
//
// Every operation except DeleteRecords and Append writes at most one item, and
// there are no transactions: conditions of the writes prevent lost and repeated
// effects. A Table may send a write again if it lost the reply. So every write
// except Count has the same effect when it is repeated, or stores a random write
// id on the item, by which the repeated write recognizes the first one. A Count
// that is sent twice counts twice.
package records
