package records

import (
	"fmt"
	"hash/fnv"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
)

// A kind is a kind of records.
type kind[R any] struct {
	// name begins the key of each item; the id follows. It ends with "#".
	name string
	form form
	// derive adds the columns that follow from fields of the record, and removes
	// those that the record does not have. key is the key of the item.
	derive func(it Item, key string, r *R)
}

func newKind[R any](name string, derive func(it Item, key string, r *R)) kind[R] {
	return kind[R]{name, formOf(reflect.TypeFor[R]()), derive}
}

// The kinds of records. An initial access token and a registration that owns an
// app client have no TTL: registrations refer to the token, and if the
// registration were gone, the broker could no longer find the app client.
var (
	registrations = newKind("registration#", func(it Item, key string, r *broker.Registration) {
		if !r.Unused() {
			setDue(it, broker.DueRegistration, key)
		}
		if r.AppClient != "" {
			delete(it, ColumnTTL)
		}
	})
	appClients = newKind("appclient#", func(it Item, key string, _ *broker.AppClient) {
		setDue(it, broker.DueAppClient, key)
	})
	accessTokens = newKind("iat#", func(it Item, key string, _ *credential.InitialAccessToken) {
		setDue(it, dueToken, key)
	})
	transactions = newKind("transaction#", func(it Item, key string, t *broker.Transaction) {
		if !t.Due.IsZero() {
			setDue(it, broker.DueTransaction, key)
			it[ColumnTTL] = t.Due.Add(broker.TransactionKept).Unix()
		}
	})
	grants = newKind("grant#", func(it Item, key string, g *broker.Grant) {
		if g.Unfinished() {
			setPartition(it, clientIndex, shard(g.ClientID, key))
			setPartition(it, userIndex, g.User.Sub)
		}
	})
	sealedTokens = newKind[broker.SealedTokens]("tokens#", nil)
	consents     = newKind("consent#", func(it Item, _ string, c *broker.Consent) { setPartition(it, userIndex, c.Sub) })
	machines     = newKind[broker.MachineToken]("machine#", nil)
	sweeps       = newKind[sweep]("sweep#", nil)
	owners       = newKind[broker.TableOwner]("deployment#", nil)
)

// Kinds of items that are not records.
const (
	kindBudget  = "budget#"
	kindCounter = "counter#"
)

// kinds are the kinds of all items that a Store writes.
var kinds = []string{
	registrations.name, appClients.name, accessTokens.name, transactions.name, grants.name, sealedTokens.name, consents.name, machines.name,
	kindBudget, kindCounter, sweeps.name, kindConfig, owners.name,
}

// maxKey is the maximum length of a key in bytes (DynamoDB, quotas).
const maxKey = 2048

// isKey reports whether s can be a key of the table or of an index. The SDK of
// DynamoDB would replace bytes that are not UTF-8, and so find another item.
func isKey(s string) bool { return s != "" && len(s) <= maxKey && utf8.ValidString(s) }

// kindOf returns the kind of the item with that key.
func kindOf(key string) string {
	name, _, _ := strings.Cut(key, "#")
	return name
}

// idOf returns the id of the record of an item, or an error if the item is not
// of this kind.
func idOf(it Item, kind string) (string, error) {
	key, _ := it[ColumnKey].(string)
	id, ok := strings.CutPrefix(key, kind)
	if !ok {
		return "", fmt.Errorf("item %q is not of the kind %s", key, kind)
	}
	return id, nil
}

// derived are the columns that follow from others. A replacement removes those
// that the record no longer has.
var derived = []string{ColumnTTL, dueIndex.Partition, dueIndex.Sort, clientIndex.Partition, userIndex.Partition}

// setPartition adds an item to an index, unless no partition has that name.
func setPartition(it Item, x Index, partition string) {
	if isKey(partition) {
		it[x.Partition] = partition
	}
}

// shards is the number of partitions into which an index divides a value that
// many items may share: several partitions allow more writes a second than one.
const shards = 16

// shard returns the partition of the item with this key.
func shard(value, key string) string {
	h := fnv.New32a()
	h.Write([]byte(key))
	return fmt.Sprintf("%s#%d", value, h.Sum32()%shards)
}

// allShards returns all partitions of a value.
func allShards(value string) []string {
	all := make([]string, shards)
	for n := range all {
		all[n] = fmt.Sprintf("%s#%d", value, n)
	}
	return valid(all...)
}

// valid returns the partitions, or none if one cannot have its name.
func valid(partitions ...string) []string {
	for _, p := range partitions {
		if !isKey(p) {
			return nil
		}
	}
	return partitions
}
