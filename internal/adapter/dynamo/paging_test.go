package dynamo

import (
	"context"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dcr-broker/dcr-broker/internal/adapter/records"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// paged answers Scan and Query with at most Limit of its items at a time, and
// sometimes with an empty page, as DynamoDB does if no item matches a filter.
type paged struct {
	Client
	partition string
	items     []attributes
	asked     int
}

func (p *paged) from(start attributes, limit int32) (page []attributes, last attributes) {
	p.asked++
	i := 0
	if n, ok := start["n"].(*types.AttributeValueMemberN); ok {
		i, _ = strconv.Atoi(n.Value)
	}
	end := min(i+int(limit), len(p.items))
	if p.asked%2 == 0 {
		end = i
	}
	if end < len(p.items) {
		last = attributes{"n": attribute(int64(end))}
	}
	return p.items[i:end], last
}

func (p *paged) Scan(_ context.Context, in *dynamodb.ScanInput, _ ...func(*dynamodb.Options)) (*dynamodb.ScanOutput, error) {
	page, last := p.from(in.ExclusiveStartKey, *in.Limit)
	return &dynamodb.ScanOutput{Items: page, LastEvaluatedKey: last}, nil
}

// Query has all items in the partition p.partition.
func (p *paged) Query(_ context.Context, in *dynamodb.QueryInput, _ ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	if v, ok := in.ExpressionAttributeValues[":v0"].(*types.AttributeValueMemberS); !ok || v.Value != p.partition {
		return &dynamodb.QueryOutput{}, nil
	}
	page, last := p.from(in.ExclusiveStartKey, *in.Limit)
	return &dynamodb.QueryOutput{Items: page, LastEvaluatedKey: last}, nil
}

// BatchGetItem processes one key of each request.
func (p *paged) BatchGetItem(_ context.Context, in *dynamodb.BatchGetItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error) {
	out := &dynamodb.BatchGetItemOutput{Responses: map[string][]attributes{}, UnprocessedKeys: map[string]types.KeysAndAttributes{}}
	for table, keys := range in.RequestItems {
		for _, it := range p.items {
			if reflect.DeepEqual(it["pk"], keys.Keys[0]["pk"]) {
				out.Responses[table] = []attributes{it}
			}
		}
		out.UnprocessedKeys[table] = types.KeysAndAttributes{Keys: keys.Keys[1:]}
	}
	return out, nil
}

// registrationsOf returns the items of registrations, as the index has them and
// whole.
func registrationsOf(t *testing.T, ids []string) []attributes {
	t.Helper()
	w := &written{}
	s := New(w, "table", time.Now)
	for _, id := range ids {
		if err := s.CreateRegistration(t.Context(), &broker.Registration{ClientID: id, IssuedAt: time.Unix(1, 0)}); err != nil {
			t.Fatal(err)
		}
	}
	return w.items
}

// paging returns a store that reads three items at a time.
func paging(c Client) *records.Store {
	return records.New(&table{client: c, name: "table", now: time.Now, page: 3}, time.Now)
}

// written keeps the items that are put.
type written struct {
	Client
	items []attributes
}

func (w *written) PutItem(_ context.Context, in *dynamodb.PutItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error) {
	w.items = append(w.items, in.Item)
	return &dynamodb.PutItemOutput{}, nil
}

func TestLists_read_page_by_page(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // it pauses before what was not processed
		var want []string
		for i := range 10 {
			want = append(want, fmt.Sprint("c", i))
		}
		p := &paged{partition: "registration#3", items: registrationsOf(t, want)}
		s := paging(p)
		var got []string
		for r, err := range s.ListRegistrations(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, r.ClientID)
		}
		if !slices.Equal(got, want) {
			t.Errorf("ListRegistrations: got %q, want %q", got, want)
		}

		p.asked = 0
		for _, err := range s.ListRegistrations(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			break
		}
		if p.asked != 1 {
			t.Errorf("pages read for one registration: got %d, want 1", p.asked)
		}
	})
}

func TestIndexes_are_read_page_by_page(t *testing.T) {
	var want []string
	for i := range 10 {
		want = append(want, fmt.Sprint("a", i))
	}
	// read reads a sequence over a table whose items are in this partition.
	read := func(kind, partition string, sequence func(s *records.Store) iter.Seq2[string, error]) {
		t.Helper()
		p := &paged{partition: partition}
		for i, id := range want {
			p.items = append(p.items, attributes{
				"pk": attribute(kind + "#" + id), "due": attribute(partition), "due_at": attribute(int64(i)),
			})
		}
		s := paging(p)
		var got []string
		for id, err := range sequence(s) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, id)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", partition, got, want)
		}
	}
	read("appclient", "appclient#0", func(s *records.Store) iter.Seq2[string, error] {
		return func(yield func(string, error) bool) {
			for d, err := range s.Due(t.Context(), time.Now(), "") {
				if !yield(d.Key, err) {
					return
				}
			}
		}
	})
	read("appclient", "appclient#15", func(s *records.Store) iter.Seq2[string, error] { return s.AppClientKeys(t.Context()) })
	read("grant", "client#7", func(s *records.Store) iter.Seq2[string, error] { return s.GrantsOf(t.Context(), "client") })
	read("consent", "user", func(s *records.Store) iter.Seq2[string, error] {
		return func(yield func(string, error) bool) {
			for r, err := range s.OfUser(t.Context(), "user") {
				if !yield(r.Consent, err) {
					return
				}
			}
		}
	})
}

func TestDue_refuses_items_of_another_kind(t *testing.T) {
	p := &paged{partition: "appclient#0", items: []attributes{
		{"pk": attribute("registration#a"), "due": attribute("appclient#0"), "due_at": attribute(int64(1))},
	}}
	for d, err := range New(p, "table", time.Now).Due(t.Context(), time.Now(), "") {
		if err == nil {
			t.Errorf("got %+v, want an error", d)
		}
	}
}
