#pragma once

namespace tollgate {

/// Prompts that groups of data-parallel attention work on in a step.
struct PromptDemand {
  double tokens = 0;  ///< mean computed tokens of a prompt
  double scv = 0;     ///< their squared coefficient of variation
  double room = 0;    ///< prompt tokens that a group may compute in a step
  double groups = 1;
};

/// The prompt tokens of a step, given that it has any.
struct PromptStep {
  double share = 0;    ///< of steps that have prompt tokens
  double busy = 0;     ///< of steps in which a given group has some
  double tokens = 0;   ///< over all groups, mean over such steps
  double busiest = 0;  ///< of the group with most of them
  /// Coefficient of variation of a busy group's tokens over such steps: whole prompts, their number
  /// Poisson and at least one; 0 where a prompt fills several steps.
  double cv = 0;
};

/// Steps in each of which `arrivals` prompts arrive on average, Poisson, at random groups.
///
/// A group with prompts to work on is busy for 1 - exp(-arrivals x steps of a prompt) of the steps
/// (the union of the prompts' steps), at least for the share that its work fills; K groups are busy
/// beside each other (binomial). The fullest of K is taken as c (1 + cv (H_K - 1)), exact for
/// exponential chunks (cv 1; H_K is the K-th harmonic number) and for constant ones (cv 0), and at
/// most `room`. Needs positive arguments.
PromptStep prompt_step(double arrivals, const PromptDemand& demand);

/// Mean of the largest of n standard normal draws, n >= 1: the 0.5264^(1/n) quantile (Chen and
/// Tyler, American Statistician 53(2), 1999; error below 0.02).
double largest_of_normals(double n);

}  // namespace tollgate
