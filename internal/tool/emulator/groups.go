package emulator

import (
	"fmt"
	"slices"
)

// SetGroups replaces the groups of a user. Tokens from then on have the new ones,
// those of a refresh too.
func (c *Cognito) SetGroups(user string, groups ...string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	u := c.users[user]
	if u == nil {
		return fmt.Errorf("emulator: no user is named %q", user)
	}
	u.Groups = slices.Clone(groups)
	return nil
}
