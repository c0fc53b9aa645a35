"""What is said to a wrong diagnosis: how the mistake would show, and what was measured instead.

Each of the 12 × 11 wrong diagnoses gets its reply from these tables: the first sign that the mistake must show and this
patient doesn't.
"""

WOULD = {  # a mistake and a sign that it must show: how it would show
    ("no zero_grad", "gradient"): "Without `zero_grad()`, the gradients of all steps add up, and the curves climb to many times their first height.",
    ("no zero_grad", "one batch"): "Without `zero_grad()`, even one batch can't be learned by heart: the steps follow gradients that are long out of date.",
    ("softmax twice", "loss and accuracy"): "With a second softmax, most answers are right after a while, and yet the loss never gets below 1.461.",
    ("softmax twice", "first loss"): "With a second softmax, the first loss is still that of guessing: even probabilities stay even.",
    ("no eval", "evaluated twice"): "Without `eval()`, dropout draws anew in each evaluation, so two of them differ.",
    ("no eval", "blank image"): "Without `eval()`, the same image gets another answer each time.",
    ("learning rate too high", "updates"): "With such a learning rate, the first steps change the weights by a tenth and more.",
    ("learning rate too high", "one batch"): "With such a learning rate, even one batch can't be learned by heart.",
    ("learning rate too low", "updates"): "With such a learning rate, each step changes the weights by about a ten-thousandth.",
    ("learning rate too low", "one batch"): "With such a learning rate, a hundred steps aren't enough even for one batch.",
    ("learning rate too low", "gradient"): "With such a learning rate, the gradient stays as it was at the beginning.",
    ("pixels from 0 to 255", "first loss"): "With such inputs, the untrained network is sure of random answers, and the first loss is far above that of guessing.",
    ("pixels from 0 to 255", "blank image"): "Large pixels don't mix the images: each still gets an answer of its own.",
    ("labels one off", "validation"): "With labels one off, nearly every validation image is misread, far more than by guessing, and a second diagonal appears in the confusion matrix.",
    ("labels one off", "one batch"): "Labels that are one off can be learned by heart as well as any.",
    ("sorted batches", "classes in a batch"): "If nobody shuffles sorted images, a batch holds one or two classes.",
    ("validation images in training", "shared images"): "Then the same images would be found in both sets.",
    ("softmax over the batch", "first loss"): "With a softmax over the batch, an even guess costs ln 64 = 4.16.",
    ("softmax over the batch", "blank image"): "With a softmax over the batch, an image's answer depends on the others in its batch.",
    ("validation not normalized", "validation"): "Then the validation loss would be far above the training loss, with most answers right all the same.",
    ("validation not normalized", "one batch"): "Nothing is wrong with the training then, so one batch is soon learned by heart.",
    ("features detached", "gradient"): "Then no gradient reaches the convolutions: two curves are missing from the panel.",
    ("features detached", "one batch"): "With convolutions that stay random, a hundred steps aren't enough for one batch.",
}  # fmt: skip
HERE = {  # a sign and what it says: in a sentence
    ("shared images", "none"): "Here no image is in both sets.",
    ("shared images", "some"): "Here validation images are in the training set, too.",
    ("classes in a batch", "many"): "Here the first batch holds nearly all classes.",
    ("classes in a batch", "few"): "Here the first batch holds only one or two classes.",
    ("first loss", "as expected"): "Here the first loss is about that of guessing.",
    ("first loss", "high"): "Here the first loss is far above that of guessing.",
    ("blank image", "same answer"): "Here a blank image gets the same answer alone and beside 31 others.",
    ("blank image", "depends on the others"): "Here a blank image gets one answer alone, and another beside 31 others.",
    ("one batch", "learned by heart"): "Here one batch is learned by heart within a hundred steps.",
    ("one batch", "not learned"): "Here a hundred steps on one batch don't bring its loss down, or not far.",
    ("evaluated twice", "same result"): "Here two evaluations in a row agree to the last digit.",
    ("evaluated twice", "two results"): "Here two evaluations in a row give different answers.",
    ("gradient", "steady"): "Here every layer gets a gradient, and none climbs to many times its first height.",
    ("gradient", "grows"): "Here the gradient climbs to many times its first height.",
    ("gradient", "missing in a layer"): "Here some layers get no gradient at all.",
    ("updates", "usual"): "Here the first steps change the weights by about a hundredth, as in the healthy training.",
    ("updates", "large"): "Here the first steps change the weights by more than a tenth.",
    ("updates", "small"): "Here a step changes the weights by about a ten-thousandth.",
    ("validation", "like training"): "Here training and validation loss are not far apart.",
    ("validation", "far above training"): "Here the validation loss is far above the training loss.",
    ("validation", "worse than guessing"): "Here the validation accuracy is far below that of guessing.",
    ("loss and accuracy", "agree"): "Here loss and accuracy fit together.",
    ("loss and accuracy", "loss too high"): "Here most answers are right, and yet the loss of the steps stays high.",
}  # fmt: skip
CLOSE = {  # two mistakes that are easily taken for each other
    frozenset(("learning rate too high", "learning rate too low")): "The same flat curve, for the opposite reason.",
    frozenset(("softmax twice", "softmax over the batch")): "Close: a softmax it is. Which one?",
    frozenset(("no eval", "validation not normalized")): "Right, it is about the evaluation.",
    frozenset(("labels one off", "validation not normalized")): "Right, the two sets don't fit together.",
    frozenset(("pixels from 0 to 255", "softmax over the batch")): "Right, it starts too high.",
    frozenset(("pixels from 0 to 255", "validation not normalized")): "Right, it is about the range of the pixels.",
}
