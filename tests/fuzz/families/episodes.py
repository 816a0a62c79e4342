"""Sequences and episodes: hidden states, teacher forcing, REINFORCE, a replay buffer with a target network."""

from __future__ import annotations

from tests.fuzz.families import common
from tests.fuzz.families.draw import Draw
from tests.fuzz.families.parts import Parts

RECURRENT = (
    """
    @seeds
    $series = torch.randn(24, 2, 3)
    $rnn, $head = nn.<<GRU|RNN>>(3, 4), nn.Linear(4, 3)
    $criterion = nn.MSELoss()
    $optimizer = OPTIM.SGD(list($rnn.parameters()) + list($head.parameters()), lr=0.1)
    $epochs, $total = 2, 0.0
    """,
    [
        """
        for $epoch in range($epochs):
            $hidden = <<torch.zeros(1, 2, 4)|None>>
            for $start in range(0, len($series) - 6, 6):
                $x, $y = $series[$start:$start + 6], $series[$start + 1:$start + 7]
                if $hidden is not None:
                    $hidden = $hidden.detach()
                $optimizer.zero_grad()
                $out, $hidden = $rnn($x, $hidden)
                $loss = $criterion($head($out), $y)
                $loss.backward()
                ?40 nn.utils.clip_grad_norm_($rnn.parameters(), 0.25)
                $optimizer.step()
                $total += $loss.item()
            print($epoch, $total, $hidden.sum().item())
        """,
        """
        $hidden = torch.zeros(1, 2, 4)
        for $epoch in range($epochs):
            for $x in $series.split(6):
                $optimizer.zero_grad()
                $out, $hidden = $rnn($x, $hidden.data)
                $loss = $criterion($head($out)[:-1], $x[1:])
                $loss.backward()
                for $p in $rnn.parameters():
                    $p.data.add_($p.grad, alpha=-0.01)
                $optimizer.step()
                print($loss.item())
        print('hidden', $hidden.sum().item())
        """,
        """
        for $epoch in range($epochs):
            for $chunk in $series.split(6):
                $hidden, $loss = torch.zeros(1, 2, 4), 0
                $optimizer.zero_grad()
                $x = $chunk[:1]
                for $t in range(1, len($chunk)):
                    $out, $hidden = $rnn($x, $hidden)
                    $prediction = $head($out)
                    $loss += $criterion($prediction, $chunk[$t:$t + 1])
                    $teacher = random.random() < 0.5
                    $x = $chunk[$t:$t + 1] if <<$teacher|random.random() < 0.5>> else $prediction.detach()
                $loss.backward()
                $optimizer.step()
                $total += $loss.item() / len($chunk)
            print($epoch, $total)
        """,
    ],
)
REINFORCE = (
    """
    @seeds
    $policy = nn.<<Linear(3, 2)|Sequential(nn.Linear(3, 5), nn.Dropout(0.1), nn.Linear(5, 2))>>
    $optimizer = OPTIM.Adam($policy.parameters(), lr=0.02)
    $running, $total = 0.0, 0.0
    """,
    [
        """
        for $episode in <<range(4)|range(1, 5)|itertools.count(1)>>:
            $state, $saved, $rewards = torch.randn(3), [], []
            for $t in range(6):
                $distribution = torch.distributions.Categorical(logits=$policy($state))
                $action = $distribution.sample()
                $saved.append($distribution.log_prob($action))
                $rewards.append(float($action) + random.random())
                $state = torch.randn(3) + 0.1 * $action
                ?60 if random.random() < 0.15:
                    break
            $R, $returns = 0.0, []
            for $r in $rewards[::-1]:
                $R = $r + 0.9 * $R
                $returns.insert(0, $R)
            $returns = torch.tensor($returns)
            $loss = -(torch.stack($saved) * $returns).sum()
            ?40 $loss = torch.stack([-l * g for l, g in zip($saved, $returns)]).sum()
            $optimizer.zero_grad()
            $loss.backward()
            $optimizer.step()
            $running = 0.5 * $running + 0.5 * sum($rewards)
            print($episode, $running, $t)
            if $episode >= 4:
                break
        """,
        """
        $saved_log_probs = []
        for $episode in range(4):
            $state, $done, $R = torch.randn(3), False, 0.0
            while not $done:
                $logits = $policy($state)
                $action = torch.multinomial(torch.softmax($logits, 0), 1).item()
                $saved_log_probs.append(torch.log_softmax($logits, 0)[$action])
                $R += 1.0 if $action else -1.0
                $state, $done = torch.randn(3), len($saved_log_probs) >= 5
            $optimizer.zero_grad()
            $loss = -torch.stack($saved_log_probs).mean() * $R
            $loss.backward()
            $optimizer.step()
            <<del $saved_log_probs[:]|$saved_log_probs = []|$saved_log_probs.clear()>>
            $running = 0.9 * $running + $R
            print('episode', $episode, $R, $running)
        """,
    ],
)
DQN = (
    """
    @seeds
    $q_net, $target_net = nn.Linear(3, 2), nn.Linear(3, 2)
    $target_net.load_state_dict($q_net.state_dict())
    $optimizer = OPTIM.RMSprop($q_net.parameters(), lr=0.02)
    $memory<<, $step = [], 0|, $step = collections.deque(maxlen=12), 0>>
    $epsilon, $running, $total = 0.5, 0.0, 0.0
    """,
    [
        """
        for $episode in range(<<3|4>>):
            $state, $score = torch.randn(3), 0.0
            for $t in range(5):
                if random.random() < $epsilon:
                    $action = random.randrange(2)
                else:
                    with torch.no_grad():
                        $action = $q_net($state).argmax().item()
                $next_state, $reward = torch.randn(3), float($action) + 0.1 * np.random.rand()
                $memory.append(($state, $action, $reward, $next_state))
                $state = $next_state
                $score += $reward
                $step += 1
                if len($memory) < 4:
                    continue
                $sample = random.sample(list($memory), 4)
                $s, $a, $r, $s2 = zip(*$sample)
                $q = $q_net(torch.stack($s)).gather(1, torch.tensor($a)[:, None])
                with torch.no_grad():
                    $goal = torch.tensor($r)[:, None] + 0.9 * $target_net(torch.stack($s2)).max(1, keepdim=True)[0]
                $loss = F.smooth_l1_loss($q, $goal)
                $optimizer.zero_grad()
                $loss.backward()
                ?50 for $p in $q_net.parameters(): $p.grad.data.clamp_(-1, 1)
                $optimizer.step()
                if $step % <<3|4>> == 0:
                    $target_net.load_state_dict($q_net.state_dict())
            $epsilon = max(0.1, $epsilon * 0.8)
            print('episode', $episode, $score, $epsilon)
        """,
    ],
)
AFTER = """
print('done', $total)
?50 print('last', $loss.item())
?50 torch.save($optimizer.state_dict(), 'optimizer.pt')
?50 print('drawn', torch.rand(1).item(), random.random())
"""


def by_itself(draw: Draw, seed: int) -> Parts:
    """A script of one of these kinds."""
    imports = common.head(draw, more="import collections")
    setup, bodies = draw.pick([RECURRENT, REINFORCE, DQN])
    pieces = [imports, draw.text(setup, seeds=common.SEEDS), draw.text(draw.pick(bodies)), draw.text(AFTER)]
    return Parts(*(common.finished(draw, t, imports, seed=seed) for t in pieces))
