package fake

import (
	"context"
	"slices"
	"sync"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// Grants is a broker.GrantEnder with grants in memory, and with faults. The names
// of the methods are those of broker.GrantEnder.
type Grants struct {
	*Faults

	mu     sync.Mutex
	grants []Grant
}

// Grant is a grant of Grants.
type Grant struct {
	ID, ClientID, Generation, Sub string
	Ended                         bool
}

var _ broker.GrantEnder = (*Grants)(nil)

// NewGrants returns a GrantEnder without grants.
func NewGrants() *Grants {
	return &Grants{Faults: NewFaults("EndOfClient", "EndOfUser", "EndByID", "EndSignIn")}
}

// Add adds a grant.
func (g *Grants) Add(grant Grant) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.grants = append(g.grants, grant)
}

// Standing returns the grants that have not been ended.
func (g *Grants) Standing() []Grant {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(g.grants), func(x Grant) bool { return x.Ended })
}

// EndOfClient implements broker.GrantEnder.
func (g *Grants) EndOfClient(ctx context.Context, clientID string, over broker.Over) (int, error) {
	return result(g.Faults, "EndOfClient", func() (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		ends := make(map[string]bool) // by generation
		for _, x := range g.Standing() {
			if x.ClientID != clientID || over == nil {
				continue
			}
			ended, err := over(ctx, x.Generation)
			if err != nil {
				return 0, err
			}
			ends[x.Generation] = ended
		}
		return g.mark(func(x Grant) bool { return x.ClientID == clientID && (over == nil || ends[x.Generation]) }), nil
	})
}

// EndOfUser implements broker.GrantEnder.
func (g *Grants) EndOfUser(ctx context.Context, sub string) (int, error) {
	return g.end(ctx, "EndOfUser", func(x Grant) bool { return x.Sub == sub })
}

// EndSignIn implements broker.GrantEnder. There are no transactions.
func (g *Grants) EndSignIn(context.Context, string) (bool, error) {
	return result(g.Faults, "EndSignIn", func() (bool, error) { return false, nil })
}

// EndByID implements broker.GrantEnder.
func (g *Grants) EndByID(ctx context.Context, id string) error {
	g.mu.Lock()
	known := slices.ContainsFunc(g.grants, func(x Grant) bool { return x.ID == id })
	g.mu.Unlock()
	if !known {
		return broker.ErrNotFound
	}
	_, err := g.end(ctx, "EndByID", func(x Grant) bool { return x.ID == id })
	return err
}

func (g *Grants) end(ctx context.Context, method string, which func(Grant) bool) (int, error) {
	return result(g.Faults, method, func() (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		return g.mark(which), nil
	})
}

// mark marks the grants for which which returns true as ended, and returns how many
// had not ended.
func (g *Grants) mark(which func(Grant) bool) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := 0
	for i := range g.grants {
		if x := &g.grants[i]; !x.Ended && which(*x) {
			x.Ended = true
			n++
		}
	}
	return n
}
