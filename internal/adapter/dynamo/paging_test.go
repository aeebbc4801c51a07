package dynamo

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// pages answers Scan and Query with at most Limit of its items at a time, and
// sometimes with an empty page, as DynamoDB does if no item matches a filter.
type pages struct {
	Client
	items []item
	asked int
}

func (p *pages) from(start item, limit int32) (page []item, last item) {
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
		last = item{"n": num(end)}
	}
	return p.items[i:end], last
}

func (p *pages) Scan(_ context.Context, in *dynamodb.ScanInput, _ ...func(*dynamodb.Options)) (*dynamodb.ScanOutput, error) {
	page, last := p.from(in.ExclusiveStartKey, *in.Limit)
	return &dynamodb.ScanOutput{Items: page, LastEvaluatedKey: last}, nil
}

// Query has all items in the first partition of each kind.
func (p *pages) Query(_ context.Context, in *dynamodb.QueryInput, _ ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	due, ok := in.ExpressionAttributeValues[":due"].(*types.AttributeValueMemberS)
	if ok && due.Value != "appclient#0" {
		return &dynamodb.QueryOutput{}, nil
	}
	page, last := p.from(in.ExclusiveStartKey, *in.Limit)
	return &dynamodb.QueryOutput{Items: page, LastEvaluatedKey: last}, nil
}

func TestLists_read_page_by_page(t *testing.T) {
	p := &pages{}
	s := New(p, "table", nil)
	s.page = 3
	var want []string
	for i := range 10 {
		id := fmt.Sprint("c", i)
		it, err := registrationItem("registration#"+id, &broker.Registration{ClientID: id, IssuedAt: time.Unix(1, 0)})
		if err != nil {
			t.Fatal(err)
		}
		it[attrVersion] = num(1)
		p.items = append(p.items, it)
		want = append(want, id)
	}
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
}

func TestIndexes_are_read_page_by_page(t *testing.T) {
	p := &pages{}
	s := New(p, "table", nil)
	s.page = 3
	var want []string
	for i := range 10 {
		id := fmt.Sprint("a", i)
		p.items = append(p.items, item{attrKey: str("appclient#" + id), attrDueAt: num(i)})
		want = append(want, id)
	}
	var got []string
	for d, err := range s.Due(t.Context(), time.Now(), "") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, d.Key)
	}
	if !slices.Equal(got, want) {
		t.Errorf("Due: got %q, want %q", got, want)
	}
	got = nil
	for key, err := range s.AppClientKeys(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, key)
	}
	if !slices.Equal(got, want) {
		t.Errorf("AppClientKeys: got %q, want %q", got, want)
	}
	for i := range p.items {
		p.items[i] = item{attrKey: str("grant#" + want[i])}
	}
	got = nil
	for id, err := range s.GrantsOf(t.Context(), "client") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, id)
	}
	if !slices.Equal(got, want) {
		t.Errorf("GrantsOf: got %q, want %q", got, want)
	}
}

func TestDue_refuses_items_of_another_kind(t *testing.T) {
	s := New(&pages{items: []item{{attrKey: str("registration#a"), attrDueAt: num(1)}}}, "table", nil)
	for d, err := range s.Due(t.Context(), time.Now(), "") {
		if err == nil {
			t.Errorf("got %+v, want an error", d)
		}
	}
}

func TestDuePartitions_are_all_used(t *testing.T) {
	used := make(map[string]bool)
	for i := range 1000 {
		it := make(item)
		putDue(it, broker.DueAppClient, fmt.Sprint("appclient#", i), time.Unix(1, 0))
		used[it[attrDue].(*types.AttributeValueMemberS).Value] = true
	}
	if len(used) != duePartitions {
		t.Errorf("partitions used by 1000 keys: got %d, want %d", len(used), duePartitions)
	}
}

func TestPlaces_are_read_as_they_were_written(t *testing.T) {
	for _, p := range []place{
		{partition{broker.DueAppClient, 15}, 1, "appclient#profile/a b"},
		{partition{broker.DueRegistration, 0}, 1893456000, "registration#dcr_x"},
	} {
		if got, ok := parsePlace(p.String()); !ok || got != p {
			t.Errorf("parsePlace(%q) = %+v, %t, want %+v", p, got, ok, p)
		}
	}
	for _, s := range []string{"", "x", "appclient#1", "appclient#1 1", "appclient#01 1 x", "appclient# 1 x", "appclient#1 +1 x"} {
		if p, ok := parsePlace(s); ok {
			t.Errorf("parsePlace(%q) = %+v, want none", s, p)
		}
	}
}
