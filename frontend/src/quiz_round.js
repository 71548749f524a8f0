// @ts-check
/** What a quiz knows of itself, without a page: its state, and what follows from it. */

/** @import { Label } from "./types.js" */

/** @typedef {"guess" | "think" | "sure"} Sure */

/** @type {Sure[]} */
export const SURE = ["guess", "think", "sure"];

/**
 * @typedef {object} ModelSaid
 * @property {{label: Label, probability: number | null}[]} top  most probable first
 * @property {boolean | null} correct  null where it said nothing, or has not that label
 */

/**
 * @typedef {object} Told  a clip that is answered
 * @property {Label[]} choices
 * @property {number} choice   which was committed
 * @property {number} answer   which counts as right
 * @property {Sure} sure
 * @property {boolean} correct
 * @property {boolean} is_true  whether the true label is known; else it is what the models say
 * @property {string} video     the file's name
 * @property {ModelSaid[]} models
 */

/**
 * @typedef {object} QuizState
 * @property {string | null} name
 * @property {number} attempt
 * @property {number} at                      the clip that is asked now; the number of clips at the end
 * @property {Record<string, Told>} told      by number of the clip
 * @property {[number, number][]} scores      of the learner and of each model: clips that count, right ones
 * @property {[number, number, number][]} earlier  attempts: which, clips that count, right ones
 */

/**
 * @typedef {object} QuizInfo  as the kernel tells it
 * @property {number} num  of clips
 * @property {{title: string, letter: string}[]} models
 * @property {boolean} is_kept    answers go into a file at once
 * @property {string} [model_id]  the widget's id, as its kept output names it
 */

/**
 * The clips on which the learner is right and a model wrong, or the other way round.
 * @param {QuizState["told"]} told
 * @returns {[number, Told][]} with their numbers, in order
 */
export function differing(told) {
  return Object.entries(told)
    .map(([number, each]) => /** @type {[number, Told]} */ ([Number(number), each]))
    .filter(([, each]) =>
      each.models.some(({ correct }) => correct !== null && correct !== each.correct),
    )
    .sort(([one], [other]) => one - other);
}

/**
 * How many answers were given with each sureness, and how many of them are right.
 * @param {QuizState["told"]} told
 * @returns {[Sure, number, number][]} without those that were never given
 */
export function bySureness(told) {
  const all = Object.values(told);
  return SURE.map((sure) => {
    const given = all.filter((each) => each.sure === sure);
    const right = given.filter(({ correct }) => correct).length;
    return /** @type {[Sure, number, number]} */ ([sure, given.length, right]);
  }).filter(([, count]) => count > 0);
}

/** A share in per cent, or a dash where nothing counts. @param {number} count @param {number} right */
export const shareText = (count, right) =>
  count ? `${Math.round((100 * right) / count)} %` : "–";

/**
 * Which choice a key means, from 0; null where it means none.
 * @param {string} key
 * @param {number} count  of choices
 */
export function choiceOf(key, count) {
  const number = /^[1-9]$/.test(key) ? Number(key) : 0;
  return number > 0 && number <= count ? number - 1 : null;
}
